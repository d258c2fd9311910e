"""Revisited Oxford and Paris (Radenovic et al., CVPR 2018): retrieval of landmarks, exactly as the literature measures it."""
