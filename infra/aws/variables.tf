variable "name" {
  description = "Prefix of everything that is made; also the project tag."
  type        = string
  default     = "landmark"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}$", var.name))
    error_message = "3 to 21 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "region" {
  description = "AWS region, e.g. eu-central-1."
  type        = string
}

variable "zones" {
  description = "Two availability zones of the region, e.g. [\"eu-central-1a\", \"eu-central-1b\"]."
  type        = list(string)

  validation {
    condition     = length(distinct(var.zones)) == 2
    error_message = "Exactly two different zones."
  }
}

variable "release" {
  description = "Tag of the images in the registries, e.g. 0.1.0. To roll back, the previous one."
  type        = string

  validation {
    condition     = var.release != "latest" && length(var.release) > 0
    error_message = "Name a release; `latest` says nothing about what runs."
  }
}

variable "running" {
  description = "Whether the services run. False for the first apply: secrets and databases come before (README.md)."
  type        = bool
  default     = false
}

variable "cidr" {
  description = "Address range of the network, a /16."
  type        = string
  default     = "10.60.0.0/16"
}

variable "allowed_cidrs" {
  description = "Private address ranges (office by VPN, peered networks) that may open Prefect's and MLflow's pages."
  type        = list(string)

  validation {
    condition     = !contains(var.allowed_cidrs, "0.0.0.0/0")
    error_message = "The pages are not for the whole internet."
  }
}

variable "certificate_arn" {
  description = "ARN of an ACM certificate for both host names."
  type        = string
}

variable "prefect_host" {
  description = "Host name of Prefect's pages, e.g. prefect.example.org; a CNAME of the output `load_balancer`."
  type        = string
}

variable "mlflow_host" {
  description = "Host name of MLflow's pages, e.g. mlflow.example.org; a CNAME of the output `load_balancer`."
  type        = string
}

variable "mlflow_admin" {
  description = "Name of MLflow's administrator, made at the first start."
  type        = string
  default     = "admin"
}

variable "database_class" {
  description = "Instance class of the database."
  type        = string
  default     = "db.t4g.medium"
}

variable "database_gib" {
  description = "Storage of the database at the start [GiB]; grows to four times that by itself."
  type        = number
  default     = 50
}

variable "backup_days" {
  description = "Days for which the database can be brought back to any second, and deleted objects to life."
  type        = number
  default     = 30

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "7 to 35, the database's own limit."
  }
}

variable "log_days" {
  description = "Days for which logs are kept, one of CloudWatch's values."
  type        = number
  default     = 365
}

variable "worker_cpu" {
  description = "CPU units of a worker without GPU (1024 are one core)."
  type        = number
  default     = 4096
}

variable "worker_mib" {
  description = "Memory of a worker [MiB]."
  type        = number
  default     = 16384
}

variable "gpu_instance_type" {
  description = "Instance type with NVIDIA GPUs for the worker, e.g. g6.2xlarge; null: the worker runs without GPU on Fargate."
  type        = string
  default     = null
}

variable "notify" {
  description = "Who is told of a failed run: a Prefect block as TYPE/NAME; empty: nobody."
  type        = string
  default     = ""
}

variable "config" {
  description = "YAML file of the run that the schedules make, as the worker sees it: a path in its image or on its file system."
  type        = string
  default     = "/data/configs/landmark.yaml"
}
