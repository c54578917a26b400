# Runs systemd as a user instance in namespaces of its own, and services of the program $1
# under it. Prints what systemd says of them. Call it with
#   unshare --mount --cgroup --pid --fork --mount-proc sh systemd.sh PROGRAM DIRECTORY
program=$1 dir=$2
set -e
mount -t tmpfs none /run
umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /run/systemd/system /run/user # without the first, it says that the machine was not booted with systemd
export XDG_RUNTIME_DIR=/run/user HOME=$dir SYSTEMD_LOG_TARGET=console
units=$HOME/.config/systemd/user
mkdir -p "$units"
printf '[Unit]\nDefaultDependencies=no\n' >"$units/empty.target"

service() { # NAME MODE WATCHDOG TIMEOUT
	cat >"$units/$1.service" <<-EOF
		[Unit]
		DefaultDependencies=no
		[Service]
		Type=notify
		ExecStart=$program
		Environment=COPPICE_TEST_SERVICE=$2
		WatchdogSec=$3
		TimeoutStartSec=$4
		TimeoutStopSec=$4
		StandardOutput=append:$dir/$1.log
		StandardError=append:$dir/$1.log
	EOF
}
service plain plain 2 20
service slow slow 20 2
service hang hang 2 20
service away away 1 20
service web plain 2 20
printf '[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=%s/web.socket\nFileDescriptorName=api\n' "$dir" >"$units/web.socket"

/lib/systemd/systemd --user --unit=empty.target >"$dir/systemd.log" 2>&1 &
manager=$!
trap 'kill $manager' EXIT

ctl() { systemctl --user "$@"; }
get() { ctl show "$1" --property "$2" --value; }
until_is() { # UNIT PROPERTY VALUE, for 30 s at most
	for _ in $(seq 300); do
		[ "$(get "$1" "$2" 2>/dev/null)" = "$3" ] && return
		sleep 0.1
	done
	echo "$1: $2 is not $3 but $(get "$1" "$2")"
}
state() { echo "$1: $(get "$1" SubState), result $(get "$1" Result), status: $(get "$1" StatusText)"; }

until_is empty.target ActiveState active

ctl start plain
state plain
ctl kill --signal HUP plain # begins a reload
until_is plain SubState reload
state plain
ctl kill --signal HUP plain # ends it
until_is plain SubState running
state plain
ctl stop plain
state plain

ctl start slow # takes longer than its timeout
state slow
ctl stop slow # this too
state slow

ctl start hang
until_is hang SubState failed
echo "hang: result $(get hang Result)"

ctl start away
for _ in $(seq 300); do # until the status says that the database is away
	case $(get away StatusText) in *waiting*) break ;; esac
	sleep 0.1
done
fed=
for _ in 1 2 3 4; do # in that time it would have been killed
	last=$fed
	for _ in $(seq 300); do
		fed=$(get away WatchdogTimestampMonotonic)
		[ "$fed" != "$last" ] && break
		sleep 0.1
	done
done
state away
ctl stop away

ctl start web.socket
echo "socket: $(curl --silent --max-time 20 --retry 0 --unix-socket "$dir/web.socket" http://web/)"
ctl restart --no-block web
echo "socket: $(curl --silent --max-time 20 --retry 0 --unix-socket "$dir/web.socket" http://web/)"
ctl stop web.socket web
