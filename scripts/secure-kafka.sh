#!/usr/bin/env bash
# Makes what a secured Kafka needs, into a folder of your choice: an authority, the brokers' and the administrator's
# certificates, and a password for every user of deploy/kafka/acls.yaml. What is there already is kept; to renew a
# certificate or to change a password, remove its file and run this again.
#
#   scripts/secure-kafka.sh FOLDER [NAME…]      NAMEs under which brokers are reached (default: kafka localhost 127.0.0.1)
#
# Afterwards, with the administrator's certificate: keepintouch topics create; keepintouch access create
# --passwords FOLDER/passwords. See docs/how-to/secure-kafka.md.
set -euo pipefail
umask 077

folder=${1:?give the folder to write to}; shift
[ $# -gt 0 ] || set -- kafka localhost 127.0.0.1
acls=$(dirname "${BASH_SOURCE[0]}")/../deploy/kafka/acls.yaml
ca_days=3650 days=${CERTIFICATE_DAYS:-398}

say() { echo "secure-kafka: $*" >&2; }

names=
for name in "$@"; do
  if [[ $name =~ ^[0-9.]+$|: ]]; then names+=",IP:$name"; else names+=",DNS:$name"; fi
done

# certificate NAME EXTENSIONS: FOLDER/NAME.pem, key and certificate in one file, as brokers and our services take it.
certificate() {
  local pem=$folder/$1.pem new=$folder/.$1
  [ ! -e "$pem" ] || return 0
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$new.key" 2> /dev/null
  openssl req -new -key "$new.key" -subj "/CN=$1" -out "$new.csr"
  openssl x509 -req -in "$new.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -days "$days" -set_serial "0x$(openssl rand -hex 16)" \
    -extfile <(printf '%s\n' "$2" "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature") \
    -out "$new.crt" 2> /dev/null
  cat "$new.key" "$new.crt" > "$pem"
  rm "$new.key" "$new.csr" "$new.crt"
  say "$pem, for $days days"
}

mkdir -p "$folder/passwords"
if [ ! -e "$folder/ca.pem" ]; then
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$folder/ca.key" 2> /dev/null
  openssl req -x509 -new -key "$folder/ca.key" -subj "/CN=Keep in Touch Kafka authority" -days "$ca_days" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$folder/ca.pem"
  say "$folder/ca.pem; keep ca.key where nobody else can read it, best of all off this machine"
fi
certificate kafka "subjectAltName=${names#,}
extendedKeyUsage=serverAuth,clientAuth"
certificate kafka-admin "extendedKeyUsage=clientAuth"

# The users are the keys two spaces in, under "principals:".
for user in $(sed -n '/^principals:/,$s/^  \([a-z0-9-]*\):.*/\1/p' "$acls"); do
  [ -e "$folder/passwords/$user" ] || { openssl rand -hex 24 > "$folder/passwords/$user"; say "$folder/passwords/$user"; }
done
