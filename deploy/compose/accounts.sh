#!/bin/sh
# Run by compose.yaml: loads the definitions, for the site sim1, and sets the password of its satellites. RabbitMQ lets its user guest in
# from loopback only, which this is.
set -eu
umask 077
api=${API:-http://127.0.0.1:15672/api}
definitions=${DEFINITIONS:-/setup/rabbitmq-definitions.json}
secrets=${SECRETS:-/secrets}
ask() { curl --silent --show-error --fail --user guest:guest --header 'Content-Type: application/json' "$@"; }

sed s/ams1/sim1/g "$definitions" | ask --request POST --data-binary @- "$api/definitions"
if [ ! -s "$secrets/rabbitmq.password" ]; then
	head -c 24 /dev/urandom | base64 | tr -d '+/=' >"$secrets/rabbitmq.password"
fi
chown "${OWNER:-65532:65532}" "$secrets" "$secrets/rabbitmq.password"
printf '{"password": "%s", "tags": ""}' "$(cat "$secrets/rabbitmq.password")" |
	ask --request PUT --data-binary @- "$api/users/sim1-satellite"
