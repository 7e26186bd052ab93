#!/usr/bin/env bash
# fake-gcs-server on PORT+1 (checks no token), behind gcs_auth_proxy.py on PORT (checks them all).
# TLS=1 serves HTTPS on PORT. TOKEN_TTL=N makes access tokens live N seconds.
. "$(dirname "$0")/common.sh"
SERVICES="fake-gcs auth"
VERSION=v1.56.1

do_install() {
  sv_venv
  sv_go fake-gcs-server github.com/fsouza/fake-gcs-server@$VERSION
}
do_start() {
  local dir=$1 port=$2 scheme=http tls=() url
  if [[ ${TLS:-0} == 1 ]]; then
    sv_cert "$dir"; scheme=https; tls=("$dir/tls/cert.pem" "$dir/tls/key.pem")
  fi
  url=$scheme://127.0.0.1:$port
  mkdir -p "$dir/data"
  [[ -s $dir/sa.key ]] ||
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$dir/sa.key"
  python3 - "$dir" "$url" <<-'PY'
	import json, sys
	d, url = sys.argv[1:]
	account = {"type": "service_account", "project_id": "snapvault", "private_key_id": "key1",
	           "client_email": "backup@snapvault.iam.gserviceaccount.com", "client_id": "1",
	           "private_key": open(d + "/sa.key").read(), "token_uri": url + "/token"}
	json.dump(account, open(d + "/service-account.json", "w"), indent=1)
	PY
  sv_spawn "$dir" fake-gcs "$TOOLS/bin/fake-gcs-server" -scheme http -host 127.0.0.1 \
    -port $((port + 1)) -backend filesystem -filesystem-root "$dir/data" -external-url "$url" \
    -public-host "127.0.0.1:$port" -log-level warn
  sv_spawn "$dir" auth "$VENV/bin/python" "$HERE/gcs_auth_proxy.py" "$port" $((port + 1)) \
    "$dir/service-account.json" "${tls[@]}"
  sv_wait "$dir" fake-gcs 30 \
    sv_http "http://127.0.0.1:$((port + 1))/storage/v1/b?project=snapvault" 200
  sv_wait "$dir" auth 30 sv_http "$url/" 401
  sv_env "$dir" "GCS_ENDPOINT=$url" "GOOGLE_APPLICATION_CREDENTIALS=$dir/service-account.json" \
    "GCE_METADATA_HOST=127.0.0.1:$port" GOOGLE_CLOUD_PROJECT=snapvault
  [[ $scheme == http ]] || sv_env "$dir" "CA_FILE=$dir/tls/ca.pem"
}
sv_main "$@"
