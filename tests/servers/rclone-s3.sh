#!/usr/bin/env bash
# rclone serve s3 over a directory: a lax second opinion. TLS=1 serves HTTPS.
. "$(dirname "$0")/common.sh"
SERVICES=rclone
VERSION=v1.75.1

do_install() { sv_go rclone github.com/rclone/rclone@$VERSION; }
do_start() {
  local dir=$1 port=$2 scheme=http tls=()
  if [[ ${TLS:-0} == 1 ]]; then
    sv_cert "$dir"; scheme=https; tls=(--cert "$dir/tls/cert.pem" --key "$dir/tls/key.pem")
  fi
  mkdir -p "$dir/data"
  sv_spawn "$dir" rclone env RCLONE_CONFIG="$dir/rclone.conf" "$TOOLS/bin/rclone" serve s3 \
    --addr "127.0.0.1:$port" --auth-key snapvault,snapvault-secret "${tls[@]}" "$dir/data"
  sv_wait "$dir" rclone 30 sv_http "$scheme://127.0.0.1:$port/" '[24]..'
  sv_env "$dir" "S3_ENDPOINT=$scheme://127.0.0.1:$port" AWS_ACCESS_KEY_ID=snapvault \
    AWS_SECRET_ACCESS_KEY=snapvault-secret AWS_REGION=us-east-1 S3_PATH_STYLE=1 \
    S3_CHECKSUM_TRAILERS=0
  [[ $scheme == http ]] || sv_env "$dir" "CA_FILE=$dir/tls/ca.pem"
}
sv_main "$@"
