# start.sh NAME: the server of this pod. The first one is the primary; the password comes by a file of its own, which no list of processes shows.
set -eu
umask 077
printf 'requirepass %s\nmasterauth %s\n' "$REDISCLI_AUTH" "$REDISCLI_AUTH" > /tmp/password.conf
[ "${HOSTNAME##*-}" = 0 ] || printf 'replicaof %s-0.%s-nodes 6379\n' "$1" "$1" >> /tmp/password.conf
exec redis-server /etc/redis/redis.conf --include /tmp/password.conf
