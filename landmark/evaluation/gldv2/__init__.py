"""The two tasks of Google Landmarks v2 (Weyand et al., CVPR 2020): their files, their figures, submissions to them."""
