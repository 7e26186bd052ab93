#!/usr/bin/env bash
# A one-node Ceph cluster without systemd: radosgw (S3) on PORT (TLS=1: HTTPS), mon on PORT+1, mgr,
# and one OSD on bluestore in a sparse file (CEPH_STORE=memstore: in memory). Daemons use ports
# PORT+2..PORT+40.
. "$(dirname "$0")/common.sh"
SERVICES="mon mgr osd rgw"

do_install() { sv_apt ceph-mon ceph-mgr ceph-osd radosgw ceph-common; }
c() { timeout 30 ceph -c "$CONF" "$@"; }
make_cluster() {
  local dir=$1 port=$2 key=$1/keyring n fsid; fsid=$(cat /proc/sys/kernel/random/uuid)
  rm -rf "${dir:?}"/{mon,mgr,osd,rgw}; mkdir -p "$dir"/{run,log,mon,mgr,osd,rgw}
  cat >"$CONF" <<-CONF
	[global]
	fsid = $fsid
	mon host = v2:127.0.0.1:$((port + 1))
	public addr = 127.0.0.1
	ms bind port min = $((port + 2))
	ms bind port max = $((port + 40))
	ms bind msgr1 = false
	auth cluster required = cephx
	auth service required = cephx
	auth client required = cephx
	auth allow insecure global id reclaim = false
	keyring = $key
	run dir = $dir/run
	admin socket = $dir/run/\$name.asok
	log file = $dir/log/\$name.ceph.log
	mon cluster log file = $dir/log/cluster.log
	crash dir = $dir/crash
	osd pool default size = 1
	osd pool default min size = 1
	osd pool default pg num = 8
	osd pool default pg autoscale mode = off
	osd crush chooseleaf type = 0
	mon allow pool delete = true
	mon data avail crit = 0
	osd fast shutdown = false
	osd objectstore = ${CEPH_STORE:-bluestore}
	bluestore block size = 10737418240
	mon data = $dir/mon
	mgr data = $dir/mgr
	osd data = $dir/osd
	rgw data = $dir/rgw
	rgw dns name = localhost
	CONF
  ceph-authtool --create-keyring "$key" --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$key" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' \
    --cap mgr 'allow *'
  for n in mgr.x client.rgw; do
    ceph-authtool "$key" --gen-key -n $n --cap mon 'allow *' --cap osd 'allow *'
  done
  ceph-authtool "$key" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' \
    --cap mgr 'allow profile osd'
  rm -f "$dir/monmap"
  monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$((port + 1))]" \
    --enable-all-features "$dir/monmap"
  ceph-mon -c "$CONF" -i a --mkfs --monmap "$dir/monmap" --keyring "$key"
}
do_start() {
  local dir=$1 port=$2 scheme=http front=endpoint=127.0.0.1:$2 id
  CONF=$dir/ceph.conf
  mkdir -p "$dir/log"
  if [[ ${TLS:-0} == 1 ]]; then
    sv_cert "$dir"; scheme=https
    front="ssl_endpoint=127.0.0.1:$port ssl_certificate=$dir/tls/cert.pem"
    front+=" ssl_private_key=$dir/tls/key.pem"
  fi
  [[ -e $dir/made ]] || make_cluster "$dir" "$port" >>"$dir/log/setup.log" 2>&1
  sv_spawn "$dir" mon ceph-mon -c "$CONF" -i a -f
  sv_wait "$dir" mon 60 timeout 10 ceph -c "$CONF" status
  sv_spawn "$dir" mgr ceph-mgr -c "$CONF" -i x -f
  if [[ ! -e $dir/made ]]; then
    id=$(cat /proc/sys/kernel/random/uuid); c osd new "$id" 0 >/dev/null 2>&1
    ceph-osd -c "$CONF" -i 0 --mkfs --osd-uuid "$id" >>"$dir/log/setup.log" 2>&1
    touch "$dir/made"
  fi
  sv_spawn "$dir" osd ceph-osd -c "$CONF" -i 0 -f
  sv_wait "$dir" osd 60 bash -c "timeout 10 ceph -c '$CONF' osd stat | grep -q '1 up'"
  c osd pool create backups 8 >/dev/null 2>&1
  sv_spawn "$dir" rgw radosgw -c "$CONF" -n client.rgw -f --rgw-frontends "beast $front"
  sv_wait "$dir" rgw 90 sv_http "$scheme://127.0.0.1:$port/" 200
  radosgw-admin -c "$CONF" user create --uid=snapvault --display-name=snapvault \
    --access-key=snapvault \
    --secret-key=snapvault-secret >"$dir/log/user.log" 2>&1 || grep -q exists "$dir/log/user.log"
  sv_env "$dir" "S3_ENDPOINT=$scheme://127.0.0.1:$port" AWS_ACCESS_KEY_ID=snapvault \
    AWS_SECRET_ACCESS_KEY=snapvault-secret \
    AWS_REGION=default S3_PATH_STYLE=1 "CEPH_CONF=$CONF" CEPH_POOL=backups S3_CHECKSUM_TRAILERS=0
  [[ $scheme == http ]] || sv_env "$dir" "CA_FILE=$dir/tls/ca.pem"
}
sv_main "$@"
