#!/bin/sh
# Installs AWS's own S3 encryption clients into .clients beside this file. Python and Java with Maven must be there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$here/.clients
mkdir -p "$target"

python3 -m venv "$target/python"
"$target/python/bin/pip" --quiet install boto3==1.44.8 amazon-s3-encryption-client-python==4.0.0

mkdir -p "$target/java"
cp -r "$here/clients/java/." "$target/java"
mvn --quiet --batch-mode --file "$target/java/pom.xml" package dependency:copy-dependencies
