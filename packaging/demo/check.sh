# shellcheck shell=bash disable=SC2154
# `--check`: each step's result verified from outside, with stock tools. Sourced by packaging/quickstart.

passed=0
failed=0

# check "sentence" command…: runs it quietly and counts.
check() {
	local sentence=$1
	shift
	if "$@" >"$demo_dir/log/check.log" 2>&1; then
		passed=$((passed + 1))
		echo "ok    $sentence"
	else
		failed=$((failed + 1))
		echo "FAIL  $sentence"
		sed 's/^/      | /' "$demo_dir/log/check.log" | tail -n 20
	fi
}

# GET with the engineer's token, which curl reads from standard input: it is never an argument.
api() {
	printf 'header = "Authorization: Bearer %s"\n' "$(cat "$demo_dir/engineer/api-token")" |
		curl --silent --show-error --fail --config - --cacert "$ca_file" "$relay_url$1"
}

# api_true PATH EXPRESSION: the reply, as `r`, makes the Python expression true.
api_true() {
	api "$1" | python3 -c '
import json, sys
r = json.load(sys.stdin)
if not eval(sys.argv[1]):
    print(json.dumps(r, indent=1)); sys.exit(1)' "$2"
}

refuses_without_token() {
	[ "$(curl --silent --output /dev/null --write-out '%{http_code}' --cacert "$ca_file" \
		"$relay_url/v1/tickets")" = 401 ]
}

refuses_other_ca() {
	! curl --silent --output /dev/null "$relay_url/v1/health"
}

runs_apart() {
	[ "$(id -u)" -ne 0 ] ||
		{ [ "$(stat -c %u "/proc/$(cat "$demo_dir/pid/agent")")" -ne 0 ] &&
			[ "$(stat -c %u "/proc/$(cat "$demo_dir/pid/relay")")" -ne 0 ] &&
			[ "$(stat -c %u "/proc/$(cat "$demo_dir/pid/helper")")" -eq 0 ]; }
}

check_ticket() {
	check "the ticket is on the desk with its summary" \
		api_true "/v1/tickets/$ticket" "r['summary'] == \"$summary\""
	check "the ticket names this host" api_true "/v1/tickets/$ticket" "r['host']['name'] == '$host_name'"
	check "the bundle is on the ticket" api_true "/v1/tickets/$ticket" "len(r['bundles']) == 1"
	check "the bundle is on the timeline" \
		api_true "/v1/tickets/$ticket/timeline" "any('bundle' in e['kind'] for e in r['items'])"
}

bundle_hash_matches() {
	local id
	id=$(api "/v1/tickets/$ticket" | python3 -c 'import json,sys; print(json.load(sys.stdin)["bundles"][0]["id"])')
	api "/v1/bundles/$id/content" >"$demo_dir/bundle.curl"
	api_true "/v1/bundles/$id" "r['sha256'] == '$(sha256sum <"$demo_dir/bundle.curl" | cut -d ' ' -f 1)'"
}

# The bundle's files, as stock zstd and tar see them.
list_bundle() {
	zstd -dcq "$bundle" | tar -tf - | grep -v '/$'
}

# bundle_lists PATTERN: a file whose path matches.
bundle_lists() {
	grep -qE "$1" <<<"$(list_bundle)"
}

bundle_order() {
	local members
	members=$(list_bundle)
	grep -q '/MANIFEST.json$' <<<"${members%%$'\n'*}" && grep -q '/INDEX.json$' <<<"${members##*$'\n'}"
}

check_bundle() {
	bundle=$demo_dir/engineer/bundle.tar.zst
	check "towline fetches the bundle" as_person "$bin_dir/towline" bundle get "$ticket" --output "$bundle"
	check "curl fetches the same bytes, and they have the recorded SHA-256" bundle_hash_matches
	check "towline inspects it" as_person "$bin_dir/towline" bundle inspect "$bundle"
	check "tar reads it; MANIFEST.json is first and INDEX.json last" bundle_order
	check "it has the host's identity" bundle_lists 'os-release|hostname'
	check "it has memory" bundle_lists 'meminfo'
	check "it has disks" bundle_lists '/df|mounts'
	check "it has processes" bundle_lists '/ps|processes'
	check "it has the network" bundle_lists 'proc/net|/ip'
	check "it has the journal or /var/log" bundle_lists 'journal/|var/log'
	check "it has the packages" bundle_lists 'dpkg|packages|rpm'
	check "it says what was redacted" bundle_lists 'redaction/report.json'
	check "it has typed health facts" bundle_lists 'snapshot/health.json'
	check "it has findings" bundle_lists 'analysis/results.json'
	check "a second look at it finds no secret" as_person "$bin_dir/towline-agent" inspect --verify "$bundle"
}

# The agent tells with its heartbeat, a moment after it has connected.
health_arrives() {
	local deadline=$((SECONDS + 30))
	until api_true /v1/hosts "r['items'][0]['health'] is not None"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		read -r -t 0.2 <> <(:) || :
	done
}

# The session's account writes where everybody may, and the copy is compared here.
copy_arrives() {
	local there
	there=$(mktemp -d)
	chmod 1777 "$there"
	(cd "$demo_dir/engineer" && if [ "$1" = bastion ]; then
		as_person scp -q -F "${ssh_config##*/}" -o User="$host_name" id_ed25519.pub "relay:$there/copy"
	else
		as_person scp -q -F "${ssh_config##*/}" -J relay id_ed25519.pub "$host_name:$there/copy"
	fi) && cmp "$demo_dir/engineer/id_ed25519.pub" "$there/copy"
	local status=$?
	rm -rf "$there"
	return "$status"
}

exec_says_host() {
	[ "$(lane_ssh "$1" uname -n)" = "$(uname -n)" ]
}

exec_keeps_status() {
	local status=0
	lane_ssh "$1" exit 7 || status=$?
	[ "$status" -eq 7 ]
}

shell_answers() {
	grep -q mark-42 <<<"$(lane_shell "$1" 'echo mark-$((6*7)); exit')"
}

# The latest session of a lane has a recording whose chain holds and that holds what was shown.
recording_holds() {
	local session
	session=$(api "/v1/sessions?ticket=$ticket" | python3 -c '
import json, sys
items = [s["id"] for s in json.load(sys.stdin)["items"] if s["lane"] == sys.argv[1] and s["recording"]]
print(max(items, default=""))' "$1") && [ -n "$session" ] &&
		as_person "$bin_dir/towline" session verify "$session" &&
		grep -q mark-42 <<<"$(as_person "$bin_dir/towline" session replay --no-wait "$session")"
}

recording_arrives() {
	local deadline=$((SECONDS + 20))
	until recording_holds "$1"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		read -r -t 0.2 <> <(:) || :
	done
}

# Without the demo's ssh_config: OpenSSH would try the engineer's key of that file after the stranger's.
stranger_is_refused() {
	local key=$demo_dir/engineer/stranger said
	as_person ssh-keygen -q -t ed25519 -N "" -f "$key"
	said=$(as_person ssh -F none -o UserKnownHostsFile="\"$known_hosts\"" -o StrictHostKeyChecking=yes \
		-o BatchMode=yes -o IdentitiesOnly=yes -i "$key" -p "$ssh_port" -l "$host_name" 127.0.0.1 true 2>&1) &&
		return 1
	echo "$said"
	[[ $said == *"Permission denied"* ]]
}

check_sessions() {
	local lane
	for lane in bastion end-to-end; do
		check "$lane lane: a command runs on the host" exec_says_host "$lane"
		check "$lane lane: its exit status comes back" exec_keeps_status "$lane"
		check "$lane lane: a shell on a terminal answers" shell_answers "$lane"
		check "$lane lane: the recording verifies and holds what was shown" recording_arrives "$lane"
		check "$lane lane: scp copies a file" copy_arrives "$lane"
	done
	check "an unknown key is refused" stranger_is_refused
	check "sessions and consent are on the timeline" api_true "/v1/tickets/$ticket/timeline" \
		"any('session' in e['kind'] for e in r['items'])"
}

audit_holds() {
	relay_command audit verify
}

nothing_secret_in_logs() {
	! grep -rqF -f "$demo_dir/engineer/api-token" "$demo_dir/log" &&
		! grep -rqE 'tlt_[A-Za-z0-9_-]{43}|PRIVATE KEY' "$demo_dir/log"
}

# The directory's name reaches grep on standard input, or grep would find itself.
names_demo_directory() {
	grep -lszF --file=- /proc/[0-9]*/cmdline <<<"$demo_dir"
}

nothing_left_running() {
	local deadline=$((SECONDS + 10))
	stop_programs "$demo_dir"
	while names_demo_directory; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		read -r -t 0.2 <> <(:) || :
	done
	! is_running relay && ! is_running agent && ! is_running helper
}

run_checks() {
	say "Checks"
	check "relay, agent and helper run as different users where they can" runs_apart
	check "the API refuses a caller without a token" refuses_without_token
	check "the relay's certificate is its own CA's, not the system's" refuses_other_ca
	check "the host is enrolled and online" api_true /v1/hosts "r['items'][0]['online'] is True"
	check "the relay knows how the host is" health_arrives
	check "get-help files a ticket" file_ticket
	: "${ticket:=T-0}"
	check_ticket
	check_bundle
	check_sessions
	check "the audit chain verifies" audit_holds
	check "no secret is in a log" nothing_secret_in_logs
	check "everything ends when told to" nothing_left_running
	echo
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}
