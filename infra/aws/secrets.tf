# Places for the secrets. Their values are put there by hand (README.md) and so are in no file and in no Terraform state.
locals {
  secrets = {
    prefect-database = "Postgres: password of the role prefect"
    mlflow-database  = "Postgres: password of the role mlflow"
    prefect-auth     = "Prefect's log-in, user:password"
    mlflow-admin     = "MLflow: password of the administrator"
    mlflow-worker    = "MLflow: password of the worker's account"
    mlflow-flask     = "MLflow: signs the forms of its pages"
  }
}

resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV2_AWS_57: rotated by the runbook, since each also has to be told to the server that checks it
  for_each                = local.secrets
  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
}

locals {
  secret_arns = merge(
    { for name, secret in aws_secretsmanager_secret.this : name => secret.arn },
    { database-administrator = aws_db_instance.this.master_user_secret[0].secret_arn },
  )
}
