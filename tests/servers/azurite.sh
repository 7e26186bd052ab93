#!/usr/bin/env bash
# Azurite blob service. TLS=1 serves HTTPS; with OAUTH=1 too, it accepts bearer tokens as well
# (and then answers 400, not 403, to a wrong shared key).
. "$(dirname "$0")/common.sh"
SERVICES=azurite
VERSION=3.37.0
ACCOUNT=snapvault KEY=$(printf 'snapvault-test-key-%045d' 0 | base64 -w0)   # 64 bytes, base64

do_install() { sv_locked azurite _install; }
_install() {
  [[ $(cat "$TOOLS/.stamp-azurite" 2>/dev/null) == "$VERSION" ]] && return
  sv_say "npm install azurite@$VERSION (a minute, once)"
  npm install --silent --no-audit --no-fund --prefix "$TOOLS/azurite" "azurite@$VERSION" >&2
  echo "$VERSION" >"$TOOLS/.stamp-azurite"
}
do_start() {
  local dir=$1 port=$2 scheme=http tls=()
  if [[ ${TLS:-0} == 1 ]]; then
    sv_cert "$dir"; scheme=https
    tls=(--cert "$dir/tls/cert.pem" --key "$dir/tls/key.pem")
    [[ ${OAUTH:-0} != 1 ]] || tls+=(--oauth basic)
  fi
  mkdir -p "$dir/data"
  sv_spawn "$dir" azurite env "AZURITE_ACCOUNTS=$ACCOUNT:$KEY" node \
    "$TOOLS/azurite/node_modules/azurite/dist/src/blob/main.js" --blobHost 127.0.0.1 \
    --blobPort "$port" \
    --location "$dir/data" --silent --disableTelemetry --skipApiVersionCheck "${tls[@]}"
  sv_wait "$dir" azurite 30 sv_http "$scheme://127.0.0.1:$port/$ACCOUNT?comp=list" '[24]..'
  sv_env "$dir" "AZURE_ENDPOINT=$scheme://127.0.0.1:$port/$ACCOUNT" \
    "AZURE_STORAGE_ACCOUNT=$ACCOUNT" \
    "AZURE_STORAGE_KEY=$KEY"
  [[ $scheme == http ]] || sv_env "$dir" "CA_FILE=$dir/tls/ca.pem"
}
sv_main "$@"
