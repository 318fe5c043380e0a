#!/bin/sh
# OpenBao with seal "awskms": it is initialized, stopped, started again, and unseals itself.
# BAO: the binary, if it is not on PATH. Needs KEY_ARN.
set -eu
bao=${BAO:-bao}
cd "$(mktemp -d)"
mkdir data
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >config.hcl <<EOF
disable_mlock = true
storage "file" { path = "$PWD/data" }
listener "tcp" {
  address         = "127.0.0.1:$port"
  cluster_address = "127.0.0.1:0"
  tls_disable     = true
}
api_addr = "http://127.0.0.1:$port"
seal "awskms" {
  kms_key_id = "$KEY_ARN"
  endpoint   = "$AWS_ENDPOINT_URL"
}
EOF
export BAO_ADDR="http://127.0.0.1:$port"
server=
trap 'kill "$server" 2>/dev/null || true' EXIT

start() {
  "$bao" server -config=config.hcl >server.log 2>&1 &
  server=$!
  for _ in $(seq 300); do
    code=0
    "$bao" status >status.txt 2>&1 || code=$?
    # 0: unsealed. 2: sealed. 1: not there yet.
    if [ "$code" -eq "$1" ]; then return; fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  if grep -q 'unknown wrapper: awskms' server.log; then
    echo 'this OpenBao was built without the seal awskms'
    exit 77
  fi
  cat server.log status.txt >&2
  exit 1
}

start 2
"$bao" operator init -recovery-shares=1 -recovery-threshold=1 >init.txt
BAO_TOKEN=$(sed -n 's/^Initial Root Token: //p' init.txt)
export BAO_TOKEN
"$bao" secrets enable -path=kv kv >/dev/null
"$bao" kv put kv/orders password=horse >/dev/null
kill "$server"
wait "$server" || true

start 0
test "$("$bao" kv get -field=password kv/orders)" = horse
