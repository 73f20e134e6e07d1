# shellcheck shell=bash
# Small things that every part of the demo needs. Sourced by packaging/quickstart.

say() {
	printf '\n== %s\n' "$*"
}

fail() {
	echo "quickstart: $*" >&2
	exit 1
}

# Waits until the command succeeds, at most $1 seconds; then fails with the sentence $2.
wait_until() {
	local seconds=$1 sentence=$2
	shift 2
	local deadline=$((SECONDS + seconds))
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || fail "$sentence"
		read -r -t 0.1 <> <(:) || :
	done
}

# As root the relay and the agent run under accounts of their own, by number: nothing is added to
# /etc/passwd. Otherwise everything runs as the caller.
relay_uid=$(id -u)
agent_uid=$(id -u)
if [ "$(id -u)" -eq 0 ]; then
	relay_uid=61201
	agent_uid=61202
fi

# Runs a command under a user id, without further groups.
as_uid() {
	local uid=$1
	shift
	if [ "$(id -u)" -eq 0 ] && [ "$uid" -ne 0 ]; then
		setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs -- "$@"
	else
		"$@"
	fi
}

# The person who sits at the machine: who called sudo, else the caller.
person=${SUDO_USER:-$(id -un)}

as_person() {
	if [ "$(id -un)" != "$person" ]; then
		setpriv --reuid "$(id -u "$person")" --regid "$(id -g "$person")" --init-groups -- "$@"
	else
		"$@"
	fi
}

# Starts a long-running program: its log and its process id are in the demo's directory.
start_program() {
	local name=$1 uid=$2
	shift 2
	if [ "$(id -u)" -eq 0 ] && [ "$uid" -ne 0 ]; then
		set -- setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs -- "$@"
	fi
	setsid -- "$@" >"$demo_dir/log/$name.log" 2>&1 </dev/null &
	echo $! >"$demo_dir/pid/$name"
}

is_running() {
	local pid
	pid=$(cat "$demo_dir/pid/$1" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

# True when the process id is still the one of a program that start_program started. One that has ended
# and that the shell has not noticed yet has no arguments any more.
is_ours() {
	grep -qszE 'towline|quickstart' "/proc/$1/cmdline"
}

# Ends what start_program started, by its process id, in the reverse order of starting.
stop_programs() {
	local name pid
	for name in agent helper relay; do
		pid=$(cat "$1/pid/$name" 2>/dev/null) || continue
		if is_ours "$pid"; then
			kill -TERM "$pid" 2>/dev/null || :
			local deadline=$((SECONDS + 10))
			while is_ours "$pid" && [ "$SECONDS" -lt "$deadline" ]; do
				read -r -t 0.1 <> <(:) || :
			done
			kill -KILL "$pid" 2>/dev/null || :
		fi
		rm -f "$1/pid/$name"
	done
}

stop_demo() {
	[ -d "$1/pid" ] || fail "$1 holds no demo"
	[ "$(id -u)" -eq 0 ] || [ -O "$1" ] || fail "the demo in $1 belongs to another user"
	[ -e "$1/demo.env" ] || [ -n "$(ls "$1/pid")" ] || fail "the demo in $1 was stopped before"
	stop_programs "$(realpath "$1")"
	rm -f "$1/demo.env"
	echo "Stopped. $1 keeps the files of the demo; delete it when you have seen enough."
}

# The ends of the logs, for whom the files themselves will not be there.
show_logs() {
	local log
	for log in "$demo_dir"/log/*.log; do
		[ -s "$log" ] || continue
		echo "-- ${log##*/}"
		tail -n 20 "$log"
	done >&2
}

# 129, 130 and 143 are a closed terminal, Ctrl-C and SIGTERM: no failure that anyone looks into.
on_exit() {
	local status=$?
	trap - EXIT
	trap '' HUP INT TERM
	[ -n "$demo_dir" ] || exit "$status"
	stop_programs "$demo_dir"
	case $mode:$status in
	*:0 | *:129 | *:130 | *:143) rm -rf -- "$demo_dir" ;;
	check:*)
		[ "${passed:-0}" -gt 0 ] || show_logs
		rm -rf -- "$demo_dir"
		;;
	*) echo "quickstart: the logs are in $demo_dir/log" >&2 ;;
	esac
	exit "$status"
}

wait_for_end() {
	while is_running relay && is_running agent && is_running helper; do
		read -r -t 1 <> <(:) || :
	done
	fail "a program ended by itself: see $demo_dir/log"
}
