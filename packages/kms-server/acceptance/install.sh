#!/bin/sh
# Installs the programs of clients.ts that come from public registries into .clients beside this file: some minutes
# and some GB. Go, Python and Java with Maven must be there. Terraform, its AWS provider and OpenBao are not installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$here/.clients
mkdir -p "$target/bin"

export GOBIN="$target/bin" GOTOOLCHAIN=go1.27.3
go install github.com/getsops/sops/v3/cmd/sops@v3.13.3
go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
(cd "$here/clients/go" && go build -o "$target/bin/go-clients" .)

python3 -m venv "$target/python"
"$target/python/bin/pip" --quiet install \
  boto3==1.44.8 awscli==1.46.3 aws-encryption-sdk==4.0.7 amazon-s3-encryption-client-python==4.0.0 'moto[server]==5.2.5'

mkdir -p "$target/java"
cp -r "$here/clients/java/." "$target/java"
mvn --quiet --batch-mode --file "$target/java/pom.xml" package dependency:copy-dependencies
