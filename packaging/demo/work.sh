# shellcheck shell=bash disable=SC2154
# The job itself, as the user and as the engineer. Sourced by packaging/quickstart.

summary="The demo's printer is on fire"

# As the user: shows what would be sent, asks, prints the ticket's number.
file_ticket() {
	say "Get help, as $person"
	as_person "$bin_dir/towline-agent" get-help "$summary" ${agree:+"$agree"} \
		--config "$demo_dir/agent.yaml"
	ticket=$(as_person "$bin_dir/towline" tickets --json | python3 -c '
import json, sys
tickets = json.load(sys.stdin)
print(tickets[0]["number"] if tickets else "")')
	[ -n "$ticket" ] || return 1
	write_ssh_files
}

# OpenSSH's own files, for `ssh -F`: -J gives the first hop no other options.
write_ssh_files() {
	known_hosts=$demo_dir/engineer/known_hosts
	ssh_config=$demo_dir/engineer/ssh_config
	as_person "$bin_dir/towline" known-hosts >"$known_hosts"
	cat >"$ssh_config" <<END
Host relay
	HostName 127.0.0.1
	Port $ssh_port
Host *
	IdentityFile "$demo_dir/engineer/id_ed25519"
	IdentitiesOnly yes
	UserKnownHostsFile "$known_hosts"
	StrictHostKeyChecking yes
	BatchMode yes
END
	chown "$person" "$known_hosts" "$ssh_config"
}

# OpenSSH as the engineer. From the file's directory: -J hands the name on to a shell, unquoted.
engineer_ssh() {
	(cd "$demo_dir/engineer" && as_person ssh -F "${ssh_config##*/}" "$@")
}

# $1: lane; the rest: what to run, or nothing for a shell
lane_ssh() {
	local lane=$1
	shift
	if [ "$lane" = bastion ]; then
		engineer_ssh -l "$host_name" relay "$@"
	else
		engineer_ssh -J relay "$host_name" "$@"
	fi
}

# One with a terminal, as a person would have.
lane_shell() {
	local lane=$1 commands=$2
	if [ "$lane" = bastion ]; then
		printf '%s\n' "$commands" | engineer_ssh -tt -l "$host_name" relay
	else
		printf '%s\n' "$commands" | engineer_ssh -tt -J relay "$host_name"
	fi
}

show_desk() {
	say "The desk, as $engineer"
	as_person "$bin_dir/towline" tickets
	echo
	as_person "$bin_dir/towline" ticket show "$ticket"
	as_person "$bin_dir/towline" bundle get "$ticket" --output "$demo_dir/engineer/bundle.tar.zst"
	as_person "$bin_dir/towline" bundle inspect "$demo_dir/engineer/bundle.tar.zst" | head -n 40
}

show_sessions() {
	local lane
	for lane in bastion end-to-end; do
		say "A command and a shell on $host_name, $lane lane"
		lane_ssh "$lane" "echo \"hello from \$(uname -n), as \$(id -un)\""
		lane_shell "$lane" "echo a shell; exit"
	done
	say "What the ticket says now"
	as_person "$bin_dir/towline" ticket show "$ticket"
}

show_summary() {
	say "Where everything is"
	local config
	config=$(printf %q "$ssh_config")
	cat <<END
API            $relay_url/v1 (CA $ca_file, token in $demo_dir/engineer/api-token)
desk           TOWLINE_CONFIG=$(printf '%q %q' "$TOWLINE_CONFIG" "$bin_dir/towline") tickets
bastion lane   ssh -F $config -l $host_name relay
end-to-end     ssh -F $config -J relay $host_name
ticket         $ticket
logs           $demo_dir/log
shell lines    $demo_dir/demo.env
Consent is answered by a flag here; without it, \`towline-agent consent\` asks the person.
END
}

write_demo_env() {
	local env=$demo_dir/demo.env
	(
		umask 077
		{
			printf 'RELAY_URL=%q\n' "$relay_url"
			printf 'CA_FILE=%q\n' "$ca_file"
			printf 'API_TOKEN=%q\n' "$(cat "$demo_dir/engineer/api-token")"
			printf 'SSH_ADDRESS=127.0.0.1\n'
			printf 'SSH_PORT=%q\n' "$ssh_port"
			printf 'HOST=%q\n' "$host_name"
			printf 'TICKET=%q\n' "$ticket"
			printf 'ENGINEER=%q\n' "$engineer"
			printf 'ENGINEER_KEY=%q\n' "$demo_dir/engineer/id_ed25519"
			printf 'KNOWN_HOSTS=%q\n' "$known_hosts"
			printf 'BIN_DIR=%q\n' "$bin_dir"
		} >"$env"
	)
	chown "$person" "$env"
}
