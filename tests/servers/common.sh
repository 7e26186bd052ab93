# Shared helpers for the local test servers. Source it, do not run it.
#
# A script defines  do_install,  do_start DIR PORT,  and SERVICES (the names it
# spawns, in start order), then calls  sv_main "$@".  State lives under DIR:
#   DIR/run/NAME.pid  "PID STARTTIME"   DIR/log/NAME.log   DIR/env  KEY=VALUE
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOOLS=${SNAPVAULT_TOOLS:-$HOME/.cache/snapvault-tools}
VENV=$TOOLS/venv
PATH=$TOOLS/bin:/usr/sbin:/sbin:$PATH
mkdir -p "$TOOLS/bin"

sv_say() { echo "[$(basename "$0" .sh)] $*" >&2; }
sv_die() { sv_say "$*"; exit 1; }

# sv_locked NAME CMD...: one installer at a time for NAME.
sv_locked() { ( flock 9; "${@:2}" ) 9>"$TOOLS/.lock-$1"; }

# sv_go BIN PKG@VERSION [as-dependency]: builds once; bin/BIN, stamped with the version.
sv_go() { sv_locked go _sv_go "$@"; }      # one Go build at a time
_sv_go() {
  local bin=$1 pkg=$2 stamp=$TOOLS/.stamp-$1
  [[ -x $TOOLS/bin/$bin && $(cat "$stamp" 2>/dev/null) == "$pkg" ]] && return
  command -v go >/dev/null || sv_die "needs Go on PATH"
  sv_say "go install $pkg (minutes, once)"
  if [[ ${3:-} == as-dependency ]]; then   # for modules whose go.mod has replace lines
    local m; m=$(mktemp -d); cd "$m"
    { go mod init build && go get "$pkg"; } >"$TOOLS/go.log" 2>&1 ||
      { tail "$TOOLS/go.log" >&2; return 1; }
    go build -trimpath -ldflags='-s -w' -o "$TOOLS/bin/$bin" "${pkg%@*}" >&2; rm -rf "$m"
  else
    # Named after the last path element.
    GOBIN=$TOOLS/bin go install -trimpath -ldflags='-s -w' "$pkg" >"$TOOLS/go.log" 2>&1 ||
      { tail "$TOOLS/go.log" >&2; return 1; }
  fi
  echo "$pkg" >"$stamp"
}

# sv_apt PKG...: installs what is missing, without letting packages start services.
sv_apt() { sv_locked apt _sv_apt "$@"; }
_sv_apt() {
  local p miss=() su='' pol=/usr/sbin/policy-rc.d made=''
  for p; do
    [[ $(dpkg-query -Wf'${db:Status-Status}' "$p" 2>/dev/null) == installed ]] || miss+=("$p")
  done
  ((${#miss[@]})) || return 0
  ((EUID == 0)) || su=sudo
  sv_say "apt-get install ${miss[*]}"
  if [[ ! -e $pol ]]; then
    made=1
    printf '#!/bin/sh\nexit 101\n' | $su tee $pol >/dev/null
    $su chmod 755 $pol
  fi
  $su apt-get -qq update >&2
  local rc=0
  $su env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=600 \
    install --no-install-recommends "${miss[@]}" >"$TOOLS/apt.log" 2>&1 || rc=$?
  [[ -z $made ]] || $su rm -f $pol
  ((rc == 0)) || { tail -20 "$TOOLS/apt.log" >&2; return $rc; }
}

# sv_venv: the third-party clients that the smoke tests and gcs_auth_proxy.py use.
sv_venv() { sv_locked venv _sv_venv; }
_sv_venv() {
  cmp -s "$HERE/requirements.txt" "$VENV/.requirements" && return
  python3 -m venv "$VENV" && "$VENV/bin/pip" install -q -r "$HERE/requirements.txt" >&2
  cp "$HERE/requirements.txt" "$VENV/.requirements"
}

_sv_started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
# sv_alive DIR NAME: true if the very process that we started still runs.
sv_alive() {
  local pid t; read -r pid t 2>/dev/null <"$1/run/$2.pid" || return 1
  [[ -n $t && $(_sv_started "$pid") == "$t" ]] &&
    ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null
}
# sv_spawn DIR NAME CMD...: starts CMD in its own process group, output to DIR/log.
sv_spawn() {
  local dir=$1 name=$2; shift 2
  ! sv_alive "$dir" "$name" || return 0
  mkdir -p "$dir/run" "$dir/log"
  setsid "$@" </dev/null >>"$dir/log/$name.log" 2>&1 9>&- &
  echo "$! $(_sv_started $!)" >"$dir/run/$name.pid"
}
# sv_stop DIR NAME: TERM to the group, KILL after 10 s; never a process not ours.
sv_stop() {
  local pid i
  if sv_alive "$1" "$2"; then
    read -r pid _ <"$1/run/$2.pid"; kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" || true
    for ((i = 0; i < 100; i++)); do sv_alive "$1" "$2" || break; sleep 0.1; done
    ! sv_alive "$1" "$2" || kill -KILL -- "-$pid" 2>/dev/null || true
  fi
  rm -f "$1/run/$2.pid"
}
# sv_wait DIR NAME SECONDS CMD...: polls CMD until it succeeds; fails if NAME dies.
sv_wait() {
  local dir=$1 name=$2 end=$((SECONDS + $3)); shift 3
  until "$@" >/dev/null 2>&1; do
    sv_alive "$dir" "$name" || { tail -20 "$dir/log/$name.log" >&2; sv_die "$name stopped"; }
    ((SECONDS < end)) || { tail -20 "$dir/log/$name.log" >&2; sv_die "$name not ready in time"; }
    sleep 0.2
  done
}
# sv_http URL CODES: true if URL answers with one of CODES (an extended regex).
sv_http() { [[ $(curl -ks -m 5 -o /dev/null -w '%{http_code}' "$1") =~ ^($2)$ ]]; }

# sv_cert DIR: a private CA and a certificate for localhost, in DIR/tls.
sv_cert() {
  local d=$1/tls; [[ -s $d/cert.pem ]] && return; mkdir -p "$d"
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=snapvault test CA' \
    -addext keyUsage=critical,keyCertSign -keyout "$d/ca.key" -out "$d/ca.pem" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$d/key.pem" \
    -out "$d/csr.pem" 2>/dev/null
  printf "%s\n" subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1 \
    extendedKeyUsage=serverAuth \
    >"$d/extensions"
  openssl x509 -req -in "$d/csr.pem" -CA "$d/ca.pem" -CAkey "$d/ca.key" -CAcreateserial \
    -days 3650 -out "$d/cert.pem" -extfile "$d/extensions" 2>/dev/null
  # The names that MinIO wants.
  cp "$d/cert.pem" "$d/public.crt"; cp "$d/key.pem" "$d/private.key"; mkdir -p "$d/CAs"
}
# sv_env DIR KEY=VALUE...: appends to what start and env print.
sv_env() { local d=$1; shift; printf '%s\n' "$@" >>"$d/env"; }

sv_main() {
  local cmd=${1:-} dir=${2:-} s
  case $cmd in
    install) do_install ;;
    start)
      [[ $# -eq 3 ]] || sv_die "usage: $(basename "$0") start DIR PORT"
      mkdir -p "$dir"; dir=$(cd "$dir" && pwd); do_install
      for s in $SERVICES; do sv_alive "$dir" "$s" || { rm -f "$dir/env"; break; }; done
      [[ -s $dir/env ]] || { trap "_sv_stop_all '$dir'" EXIT; do_start "$dir" "$3"; trap - EXIT; }
      cat "$dir/env" ;;
    stop) [[ -d $dir ]] || exit 0; dir=$(cd "$dir" && pwd); _sv_stop_all "$dir" ;;
    env) cat "$dir/env" ;;
    *) sv_die "usage: $(basename "$0") install | start DIR PORT | stop DIR | env DIR" ;;
  esac
}
_sv_stop_all() {
  local s r=''
  for s in $SERVICES; do r="$s $r"; done
  for s in $r; do sv_stop "$1" "$s"; done
  ! declare -F do_stop >/dev/null || do_stop "$1"
  rm -f "$1/env"
}
