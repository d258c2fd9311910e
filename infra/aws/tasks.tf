# Every container, long-running (`service = true`) or once (set-up jobs). The commands and settings are those of compose.yaml.
locals {
  worker_image = var.gpu_instance_type == null ? "cpu" : "cuda"
  prefect_api  = "http://prefect.${var.name}.internal:4200/api"
  mlflow_uri   = "http://mlflow.${var.name}.internal:5000"

  postgres = { PGHOST = aws_db_instance.this.address, PGSSLMODE = "require" }
  prefect_database = merge(local.postgres, {
    PREFECT_SERVER_DATABASE_CONNECTION_URL = "postgresql+asyncpg://prefect@${aws_db_instance.this.address}:5432/prefect"
  })
  mlflow_database = merge(local.postgres, { MLFLOW_BACKEND_STORE_URI = "postgresql+psycopg2://mlflow@/mlflow" })

  one_of = { for name in keys(local.secrets) : name => { name = name, field = "" } }

  tasks = {
    roles = {
      service     = false
      image       = "public.ecr.aws/docker/library/postgres:18.6-bookworm"
      group       = "prefect"
      cpu         = 256
      mib         = 512
      user        = "999:999"
      command     = ["sh", "-ec", "printf '%s' \"$ROLES_SQL\" | psql --no-psqlrc --quiet"]
      environment = merge(local.postgres, { PGDATABASE = "postgres", ROLES_SQL = file("${path.module}/../postgres/roles.sql") })
      secrets = {
        PGUSER              = { name = "database-administrator", field = "username" }
        PGPASSWORD          = { name = "database-administrator", field = "password" }
        PREFECT_DB_PASSWORD = local.one_of["prefect-database"]
        MLFLOW_DB_PASSWORD  = local.one_of["mlflow-database"]
      }
    }
    prefect-migrate = {
      service     = false
      image       = local.images["server"]
      group       = "prefect"
      cpu         = 512
      mib         = 1024
      user        = "10001:10001"
      command     = ["prefect", "server", "database", "upgrade", "--yes"]
      environment = local.prefect_database
      secrets     = { PGPASSWORD = local.one_of["prefect-database"] }
    }
    mlflow-migrate = {
      service = false
      image   = local.images["server"]
      group   = "mlflow"
      cpu     = 512
      mib     = 1024
      user    = "10001:10001"
      command = ["sh", "-ec", join("\n", [
        "mlflow db upgrade \"$MLFLOW_BACKEND_STORE_URI\"",
        "python -m mlflow.server.auth db upgrade --url postgresql+psycopg2://mlflow@/mlflow_auth",
      ])]
      environment = local.mlflow_database
      secrets     = { PGPASSWORD = local.one_of["mlflow-database"] }
    }
    prefect = {
      service = true
      image   = local.images["server"]
      group   = "prefect"
      cpu     = 1024
      mib     = 2048
      user    = "10001:10001"
      port    = 4200
      health  = "http://127.0.0.1:4200/api/health"
      command = ["prefect", "server", "start", "--host", "0.0.0.0", "--port", "4200"]
      environment = merge(local.prefect_database, {
        PREFECT_SERVER_DATABASE_MIGRATE_ON_START = "false"
        PREFECT_SERVER_UI_API_URL                = "https://${var.prefect_host}/api"
        PREFECT_SERVER_UI_STATIC_DIRECTORY       = "/var/lib/landmark/ui"
      })
      secrets = {
        PGPASSWORD                     = local.one_of["prefect-database"]
        PREFECT_SERVER_API_AUTH_STRING = local.one_of["prefect-auth"]
      }
    }
    mlflow = {
      service = true
      image   = local.images["server"]
      group   = "mlflow"
      cpu     = 1024
      mib     = 4096
      user    = "10001:10001"
      port    = 5000
      health  = "http://127.0.0.1:5000/health"
      command = [
        "mlflow", "server", "--host=0.0.0.0", "--port=5000", "--workers=2", "--app-name=basic-auth",
        "--artifacts-destination=s3://${local.buckets.mlflow}/artifacts",
        "--allowed-hosts=mlflow.${var.name}.internal:5000,${var.mlflow_host}",
      ]
      environment = merge(local.mlflow_database, {
        MLFLOW_AUTH_CONFIG_PATH            = "/opt/landmark/basic_auth.ini"
        MLFLOW_AUTH_ADMIN_USERNAME         = var.mlflow_admin
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION = "false"
        AWS_DEFAULT_REGION                 = var.region
      })
      secrets = {
        PGPASSWORD                     = local.one_of["mlflow-database"]
        MLFLOW_AUTH_ADMIN_PASSWORD     = local.one_of["mlflow-admin"]
        MLFLOW_FLASK_SERVER_SECRET_KEY = local.one_of["mlflow-flask"]
      }
    }
    mlflow-users = {
      service = false
      image   = local.images["server"]
      group   = "worker"
      cpu     = 512
      mib     = 1024
      user    = "10001:10001"
      command = ["python", "/opt/landmark/users.py"]
      environment = {
        MLFLOW_TRACKING_URI        = local.mlflow_uri
        MLFLOW_AUTH_ADMIN_USERNAME = var.mlflow_admin
        MLFLOW_WORKER_USERNAME     = "landmark"
      }
      secrets = {
        MLFLOW_AUTH_ADMIN_PASSWORD = local.one_of["mlflow-admin"]
        MLFLOW_WORKER_PASSWORD     = local.one_of["mlflow-worker"]
      }
    }
    prefect-deploy = {
      service     = false
      image       = local.images["cpu"]
      group       = "worker"
      cpu         = 1024
      mib         = 2048
      user        = "10001:10001"
      command     = ["sh", "-ec", "python -m flows.automations\nexec prefect --no-prompt deploy --all --prefect-file infra/prefect.yaml"]
      environment = { PREFECT_API_URL = local.prefect_api, PREFECT_HOME = "/var/lib/landmark/prefect", LANDMARK_CONFIG = var.config }
      secrets     = { PREFECT_API_AUTH_STRING = local.one_of["prefect-auth"] }
    }
    worker = {
      service = true
      image   = local.images[local.worker_image]
      group   = "worker"
      cpu     = var.worker_cpu
      mib     = var.worker_mib
      user    = "10001:10001"
      files   = true
      gpu     = var.gpu_instance_type != null
      health  = "http://127.0.0.1:8080/health"
      command = ["prefect", "worker", "start", "--pool", "landmark", "--type", "process", "--with-healthcheck"]
      environment = {
        PREFECT_API_URL          = local.prefect_api
        MLFLOW_TRACKING_URI      = local.mlflow_uri
        MLFLOW_TRACKING_USERNAME = "landmark"
        AWS_DEFAULT_REGION       = var.region
        LANDMARK_NOTIFY          = var.notify
      }
      secrets = {
        PREFECT_API_AUTH_STRING  = local.one_of["prefect-auth"]
        MLFLOW_TRACKING_PASSWORD = local.one_of["mlflow-worker"]
      }
    }
  }

  services = { for name, task in local.tasks : name => task if task.service }
}

resource "aws_ecr_repository" "this" {
  for_each             = toset(["server", "cpu", "cuda"])
  name                 = "${var.name}-${each.value}"
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.this.arn
  }
}

locals {
  images = { for name, repository in aws_ecr_repository.this : name => "${repository.repository_url}:${var.release}" }
}

resource "aws_ecs_task_definition" "this" {
  for_each                 = local.tasks
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = [try(each.value.gpu, false) ? "EC2" : "FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.mib
  execution_role_arn       = aws_iam_role.start[each.key].arn
  task_role_arn            = aws_iam_role.run[each.key].arn

  container_definitions = jsonencode([merge(
    {
      name                   = each.key
      image                  = each.value.image
      user                   = each.value.user
      essential              = true
      readonlyRootFilesystem = true
      linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
      command                = each.value.command
      environment            = [for name, value in each.value.environment : { name = name, value = value }]
      secrets = [for variable, secret in each.value.secrets : {
        name      = variable
        valueFrom = secret.field == "" ? local.secret_arns[secret.name] : "${local.secret_arns[secret.name]}:${secret.field}::"
      }]
      mountPoints = concat(
        [{ sourceVolume = "scratch", containerPath = "/tmp", readOnly = false }],
        each.value.user == "10001:10001" ? [{ sourceVolume = "home", containerPath = "/var/lib/landmark", readOnly = false }] : [],
        try(each.value.files, false) ? [{ sourceVolume = "data", containerPath = "/data", readOnly = false }] : [],
      )
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this[each.key].name
          awslogs-region        = var.region
          awslogs-stream-prefix = each.key
        }
      }
    },
    try(each.value.port, null) == null ? {} : { portMappings = [{ containerPort = each.value.port, protocol = "tcp" }] },
    try(each.value.health, null) == null ? {} : { healthCheck = {
      command     = ["CMD", "python", "/opt/landmark/health.py", each.value.health]
      interval    = 30
      timeout     = 10
      retries     = 3
      startPeriod = 180
    } },
    try(each.value.gpu, false) ? { resourceRequirements = [{ type = "GPU", value = "1" }] } : {},
  )])

  volume {
    name = "scratch"
  }

  volume {
    name = "home"
  }

  dynamic "volume" {
    for_each = try(each.value.files, false) ? [1] : []

    content {
      name = "data"

      efs_volume_configuration {
        file_system_id     = aws_efs_file_system.this.id
        transit_encryption = "ENABLED"

        authorization_config {
          access_point_id = aws_efs_access_point.worker.id
          iam             = "ENABLED"
        }
      }
    }
  }
}
