output "load_balancer" {
  description = "What the CNAMEs of prefect_host and mlflow_host point to."
  value       = aws_lb.this.dns_name
}

output "registries" {
  description = "Where the images of each Dockerfile target are pushed to."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "buckets" {
  description = "MLflow's bucket and the workers'."
  value       = local.buckets
}

output "database" {
  description = "Address of Postgres, reached from within the network alone."
  value       = aws_db_instance.this.address
}

output "secrets" {
  description = "Names of the secrets whose values are to be put there by hand."
  value       = [for secret in aws_secretsmanager_secret.this : secret.name]
}

output "jobs" {
  description = "How each set-up job is run, in the order in which they stand in README.md."
  value = { for name, task in local.tasks : name => join(" ", [
    "aws ecs run-task --cluster ${aws_ecs_cluster.this.name} --launch-type FARGATE --task-definition ${aws_ecs_task_definition.this[name].family}",
    "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", [for subnet in aws_subnet.private : subnet.id])}],securityGroups=[${aws_security_group.this[task.group].id}]}'",
  ]) if !task.service }
}

output "alarms" {
  description = "Topic that alarms go to; subscribe someone."
  value       = aws_sns_topic.alarms.arn
}
