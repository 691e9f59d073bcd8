# Short commands for whoever is woken; the pages in docs/runbooks use them. In bash:
#
#   . scripts/on-call.sh               where docker compose runs it
#   . scripts/on-call.sh kubernetes    with kubectl; ONCALL_PROMETHEUS="-n monitoring prometheus-0" says where Prometheus is
#
#   look             what runs, and what is firing         ask 'QUERY'       what Prometheus knows
#   why SERVICE      why it is not ready, or not well      logs SERVICE [1h] its warnings and errors
#   again SERVICE    start it anew, with its settings      kit COMMAND …     the command line, as the operator
# shellcheck shell=bash
_oncall_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
_oncall_bad='^[^{]|"level":"(warning|error|critical)"'
_oncall_why='
import http.client, os
port = next(value for name, value in os.environ.items() if name.endswith("_HTTP_PORT"))
for page in ("readyz", "healthz"):
    asked = http.client.HTTPConnection("127.0.0.1", int(port), timeout=5)
    asked.request("GET", f"/{page}")
    print(asked.getresponse().read().decode())'

if [ "${1:-compose}" = kubernetes ]; then
  _oncall() { kubectl --namespace keep-in-touch "$@"; }
  look() { _oncall get pods; ask 'ALERTS{alertstate="firing"}'; }
  # shellcheck disable=SC2086   # several words
  ask() { kubectl exec ${ONCALL_PROMETHEUS:--n monitoring prometheus-0} -- promtool query instant http://localhost:9090 "$1"; }
  why() {
    for pod in $(_oncall get pods --selector "app.kubernetes.io/name=${1//_/-}" --output name); do
      echo "$pod"; _oncall exec "$pod" -- python -c "$_oncall_why"
    done
  }
  logs() { _oncall logs --selector "app.kubernetes.io/name=${1//_/-}" --since "${2:-1h}" --tail -1 | grep -E "$_oncall_bad"; }
  again() { _oncall rollout restart "deployment/${1//_/-}" && _oncall rollout status "deployment/${1//_/-}"; }
  kit() {
    _oncall scale deployment/operator --replicas 1 && _oncall rollout status deployment/operator
    _oncall exec --stdin --tty deployment/operator -- python -m keepintouch "$@"
  }
else
  _oncall() { docker compose --project-directory "$_oncall_root" "$@"; }
  look() { _oncall ps --all; ask 'ALERTS{alertstate="firing"}'; }
  ask() { _oncall exec -T prometheus promtool query instant http://localhost:9090 "$1"; }
  why() { _oncall exec -T "$1" python -c "$_oncall_why"; }
  logs() { _oncall logs --no-log-prefix --since "${2:-1h}" "$1" | grep -E "$_oncall_bad"; }
  again() { _oncall up --detach --no-deps --force-recreate "$1"; }   # `restart` would not read .env
  kit() { _oncall run --rm operator "$@"; }
fi
