# shellcheck shell=bash disable=SC2154
# Makes and starts the parts of the demo. Sourced by packaging/quickstart.

host_name=$(uname -n)

json_member() {
	python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"
}

start_relay() {
	say "Relay"
	local relay_dir=$demo_dir/relay
	install -d -m 0700 -o "$relay_uid" "$relay_dir"
	as_uid "$relay_uid" "$bin_dir/towline-relay" init "$relay_dir" --name "Towline demo" \
		--listen 127.0.0.1:0 --ssh-listen 127.0.0.1:0
	make_engineer
	start_program relay "$relay_uid" "$bin_dir/towline-relay" serve --config "$relay_dir/relay.yaml"
	wait_until 30 "the relay did not start: see $demo_dir/log/relay.log" test -s "$relay_dir/run.json"
	https_port=$(json_member "$relay_dir/run.json" https_port)
	ssh_port=$(json_member "$relay_dir/run.json" ssh_port)
	relay_url=https://127.0.0.1:$https_port
	ca_file=$demo_dir/engineer/ca.pem
	cp "$relay_dir/ca.pem" "$ca_file"
	chown "$person" "$ca_file"
	wait_until 30 "the relay does not answer: see $demo_dir/log/relay.log" \
		curl --silent --fail --cacert "$ca_file" "$relay_url/v1/health"
	log_in_engineer
}

# relay-side commands on the demo's relay
relay_command() {
	as_uid "$relay_uid" "$bin_dir/towline-relay" "$@" --config "$demo_dir/relay/relay.yaml"
}

engineer=erin

make_engineer() {
	install -d -m 0700 -o "$person" "$demo_dir/engineer"
	as_person ssh-keygen -q -t ed25519 -N "" -C "$engineer" -f "$demo_dir/engineer/id_ed25519"
	install -m 0644 "$demo_dir/engineer/id_ed25519.pub" "$demo_dir/engineer.pub"
	relay_command user add "$engineer" --name "Erin Engineer" --role engineer \
		--ssh-key "$demo_dir/engineer.pub"
}

log_in_engineer() {
	relay_command token create --user "$engineer" --name demo | as_person tee "$demo_dir/engineer/api-token" >/dev/null
	chmod 0600 "$demo_dir/engineer/api-token"
	export TOWLINE_CONFIG=$demo_dir/engineer/config.yaml
	as_person "$bin_dir/towline" login --relay "$relay_url" --ca "$ca_file" \
		--ssh "127.0.0.1:$ssh_port" <"$demo_dir/engineer/api-token"
}

# The endpoint: agent and helper, of this machine.
start_endpoint() {
	say "Endpoint"
	install -d -m 0700 -o "$agent_uid" "$demo_dir/agent"
	install -d -m 0755 -o "$agent_uid" "$demo_dir/run-agent"
	install -d -m 0700 "$demo_dir/helper"
	install -d -m 0755 "$demo_dir/run-helper"
	write_agent_config
	start_program helper 0 "$bin_dir/towline-helper" run --policy "$demo_dir/policy.yaml" \
		--socket-dir "$demo_dir/run-helper" --state "$demo_dir/helper" --agent-user "$agent_uid" \
		--agent-state "$demo_dir/agent" --consent yes
	wait_until 30 "the helper did not start: see $demo_dir/log/helper.log" \
		test -S "$demo_dir/run-helper/helper.sock"
	# The helper's consent key is registered with the host: it runs before the enrolment.
	relay_command enrol-token create --url "$relay_url" |
		as_uid "$agent_uid" "$bin_dir/towline-agent" enroll - --name "$host_name" \
			--config "$demo_dir/agent.yaml"
	start_program agent "$agent_uid" "$bin_dir/towline-agent" run --config "$demo_dir/agent.yaml"
	wait_until 30 "the agent did not reach the relay: see $demo_dir/log/agent.log" agent_is_connected
}

write_agent_config() {
	cat >"$demo_dir/agent.yaml" <<END
state_dir: "$demo_dir/agent"
run_dir: "$demo_dir/run-agent"
helper:
  dir: "$demo_dir/run-helper"
END
	cat >"$demo_dir/policy.yaml" <<END
sessions:
  user: $person
consent:
  unattended: true
END
	chmod 0644 "$demo_dir/agent.yaml" "$demo_dir/policy.yaml"
}

agent_is_connected() {
	"$bin_dir/towline-agent" status --json --config "$demo_dir/agent.yaml" |
		grep -q '"connected": *true'
}
