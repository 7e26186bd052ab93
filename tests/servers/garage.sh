#!/usr/bin/env bash
# Garage, one node on SQLite: S3 on PORT, RPC on PORT+1. No HTTPS of its own.
. "$(dirname "$0")/common.sh"
SERVICES=garage
VERSION=2.5.0
KEY=GK$(printf '%024x' 7) SECRET=$(printf '%064x' 7)   # the forms that "key import" takes

do_install() { sv_locked cargo _install; }
_install() {
  [[ $(cat "$TOOLS/.stamp-garage" 2>/dev/null) == "$VERSION" ]] && return
  sv_say "cargo install garage@$VERSION (a quarter of an hour, once)"
  cargo install -q --locked --root "$TOOLS" --no-default-features \
    --features sqlite,bundled-libs "garage@$VERSION" >&2
  echo "$VERSION" >"$TOOLS/.stamp-garage"
}
do_start() {
  local dir=$1 port=$2; g() { "$TOOLS/bin/garage" -c "$dir/garage.toml" "$@"; }
  [[ -s $dir/garage.toml ]] || cat >"$dir/garage.toml" <<-CONF
	metadata_dir = "$dir/meta"
	data_dir = "$dir/data"
	db_engine = "sqlite"
	replication_factor = 1
	rpc_bind_addr = "127.0.0.1:$((port + 1))"
	rpc_public_addr = "127.0.0.1:$((port + 1))"
	rpc_secret = "$(openssl rand -hex 32)"
	[s3_api]
	s3_region = "us-east-1"
	api_bind_addr = "127.0.0.1:$port"
	root_domain = ".s3.localhost"
	CONF
  mkdir -p "$dir/log"
  sv_spawn "$dir" garage "$TOOLS/bin/garage" -c "$dir/garage.toml" server
  sv_wait "$dir" garage 30 g status
  if [[ ! -e $dir/made ]]; then
    { g layout assign -z z -c 1G "$(g node id -q | cut -d@ -f1)" && g layout apply --version 1 &&
      g key import --yes -n snapvault "$KEY" "$SECRET" &&
       g key allow --create-bucket "$KEY"; } >>"$dir/log/setup.log" 2>&1
    touch "$dir/made"
  fi
  sv_wait "$dir" garage 30 sv_http "http://127.0.0.1:$port/" 403
  sv_env "$dir" "S3_ENDPOINT=http://127.0.0.1:$port" "AWS_ACCESS_KEY_ID=$KEY" \
    "AWS_SECRET_ACCESS_KEY=$SECRET" \
    AWS_REGION=us-east-1 S3_PATH_STYLE=1
}
sv_main "$@"
