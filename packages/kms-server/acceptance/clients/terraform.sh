#!/bin/sh
# Terraform: apply, a plan without changes, a change, a plan without changes, destroy.
# TF_PLUGINS: a folder with the AWS provider, if it cannot be downloaded.
set -eu
folder=$(cd "$(dirname "$0")/terraform" && pwd)
cd "$(mktemp -d)"
cp "$folder"/main.tf .
export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_VAR_endpoint="$AWS_ENDPOINT_URL"

terraform init -no-color ${TF_PLUGINS:+-plugin-dir="$TF_PLUGINS"} >init.txt || { cat init.txt >&2; exit 1; }
terraform apply -no-color -auto-approve | tail -1
terraform plan -no-color -detailed-exitcode
set -- -var rotation=180 -var path=/team/
terraform apply -no-color -auto-approve "$@" | tail -1
terraform plan -no-color -detailed-exitcode "$@"
terraform destroy -no-color -auto-approve "$@" | tail -1
