#include "helper/policy.h"

#include <pwd.h>
#include <stdio.h>
#include <towline/forward.h>
#include <unistd.h>

#define PERSON_UID_FIRST 1000
#define PERSON_UID_LAST 60000

static const char *const scope_names[] = {"terminal", "exec", "files", "forwarding", "agent"};

/* In the order of enum tl_second. */
static const char *const second_choices[] = {"off", "pause", "end", NULL};

#define KEY(field) offsetof(struct tl_policy, field)

static const struct tl_conf_key keys[] = {
	{"collect.exclude", TL_CONF_LIST, KEY(collect_exclude), "", 0, 128, NULL,
	 "What is never collected: names or groups of collectors, and paths, each with * and ?."},
	{"collect.levels", TL_CONF_LIST, KEY(collect_levels), "secrets,identities", 0, 3, NULL,
	 "The levels of redaction that may be asked for: secrets, identities (secrets, and "
	 "addresses and "
	 "names as pseudonyms), off (nothing is removed)."},
	{"collect.privileged", TL_CONF_BOOL, KEY(collect_privileged), "true", 0, 0, NULL,
	 "Whether collectors may look where only root can: other accounts' processes, the kernel's "
	 "log, firewall rules. false: files that root can read, and no more. For a helper that "
	 "runs "
	 "as "
	 "root."},
	{"collect.profiles", TL_CONF_LIST, KEY(collect_profiles), "*", 0, 32, NULL,
	 "The collector profiles that may run, each with * and ?. An empty list: none, no bundle "
	 "is "
	 "ever made."},
	{"collect.recipients_required", TL_CONF_BOOL, KEY(collect_recipients_required), "false", 0,
	 0, NULL, "true: a bundle that is not encrypted to anybody is not made."},
	{"collect.timeout", TL_CONF_DURATION, KEY(collect_timeout_ms), "5m", 1000, 3600000, NULL,
	 "How long a collection may take before it is ended."},
	{"consent.ask", TL_CONF_LIST, KEY(consent_ask), "", 0, 64, NULL,
	 "The login names of those who may decide about sessions. An empty list: root and every "
	 "person with an account here, but not the account that sessions run as (sessions.user)."},
	{"consent.timeout", TL_CONF_DURATION, KEY(consent_timeout_ms), "2m", 1000, 600000, NULL,
	 "How long a request for a session waits for a person. Then it is refused."},
	{"consent.unattended", TL_CONF_BOOL, KEY(consent_unattended), "false", 0, 0, NULL,
	 "Allows the flag --consent yes for a helper that runs as root: for demonstrations only."},
	{"sessions.announce", TL_CONF_BOOL, KEY(sessions_announce), "true", 0, 0, NULL,
	 "Whether a line on every logged-in person's terminal says when a session begins and "
	 "ends."},
	{"sessions.break_glass", TL_CONF_LIST, KEY(sessions_break_glass), "", 0, 64, NULL,
	 "The logins, each with * and ?, of engineers who may come in without asking in an "
	 "emergency. It "
	 "needs a reason, is told to everybody on the machine, and stands in the authentication "
	 "log."},
	{"sessions.break_glass_hours", TL_CONF_TEXT, KEY(sessions_break_glass_hours), "", 0, 16,
	 NULL,
	 "When emergencies are believed, as HH:MM-HH:MM of the machine's own time: 18:00-08:00. "
	 "Empty: "
	 "always."},
	{"sessions.break_glass_reason", TL_CONF_INT, KEY(sessions_break_glass_reason), "20", 1, 500,
	 NULL, "How many characters the reason of an emergency has at least."},
	{"sessions.enabled", TL_CONF_BOOL, KEY(sessions_enabled), "true", 0, 0, NULL,
	 "Whether remote sessions are possible at all."},
	{"sessions.engineer_signed", TL_CONF_BOOL, KEY(sessions_engineer_signed), "false", 0, 0,
	 NULL,
	 "true: a session needs a request that the engineer signed with a key of the roster. The "
	 "relay "
	 "alone can then open none."},
	{"sessions.environment", TL_CONF_LIST, KEY(sessions_environment), "", 0, 32, NULL,
	 "Variables that an engineer's client may set in a session beside TERM, LANG and LC_*, by "
	 "name or as a family such as GIT_*."},
	{"sessions.extend_minutes", TL_CONF_INT, KEY(sessions_extend_minutes), "60", 0, 720, NULL,
	 "How many minutes in all a person here may add to a session's longest duration "
	 "(towline-agent extend). Never beyond what the relay granted."},
	{"sessions.forward", TL_CONF_LIST, KEY(sessions_forward), "", 0, TL_FORWARDS_MAX, NULL,
	 "Where sessions with the scope forwarding may connect to or listen: 127.0.0.1:5432, "
	 "*.internal:443, 10.0.0.0/8:22, listen:localhost:8080. An empty list: nowhere. This "
	 "machine's "
	 "own addresses and the clouds' metadata services are reached only where the list has the "
	 "address itself."},
	{"sessions.lanes", TL_CONF_LIST, KEY(sessions_lanes), "bastion,end-to-end", 0, 2, NULL,
	 "The lanes that sessions may come by: bastion (the relay reads along and records), "
	 "end-to-end "
	 "(it moves ciphertext; this machine records)."},
	{"sessions.max_minutes", TL_CONF_INT, KEY(sessions_max_minutes), "240", 1, 720, NULL,
	 "The longest session. The helper ends it, whatever the grant says."},
	{"sessions.roster_key", TL_CONF_TEXT, KEY(sessions_roster_key), "", 0, 64, NULL,
	 "Fingerprint (SHA256:…) of the key that signs the roster of engineers. Empty: the one "
	 "that the "
	 "enrolment token named."},
	{"sessions.scopes", TL_CONF_LIST, KEY(sessions_scopes), "terminal,exec,files", 0, 5, NULL,
	 "What sessions may do: terminal, exec, files, forwarding (where sessions.forward leads), "
	 "agent "
	 "(the "
	 "engineer's ssh-agent, ssh -A)."},
	{"sessions.second", TL_CONF_CHOICE, KEY(sessions_second), "off", 0, 0, second_choices,
	 "Four eyes: pause or end lets no byte pass before a second engineer has joined; when that "
	 "one leaves, the session is paused, and ends after sessions.second_away, or ends at once. "
	 "off: "
	 "only where the relay asks for it."},
	{"sessions.second_away", TL_CONF_DURATION, KEY(sessions_second_away_ms), "5m", 10000,
	 (int64_t)TL_SECOND_AWAY_MAX_S * 1000, NULL,
	 "How long a session waits for its second engineer, before it began and later."},
	{"sessions.unattended", TL_CONF_BOOL, KEY(sessions_unattended), "false", 0, 0, NULL,
	 "true: sessions begin without asking anybody, for machines without a person in front. The "
	 "engineer must state the purpose then."},
	{"sessions.user", TL_CONF_TEXT, KEY(sessions_user), "", 0, 64, NULL,
	 "The account that sessions run as. A helper that runs as root starts no session without "
	 "it; "
	 "any other helper can only use its own account."},
	{"sessions.users", TL_CONF_LIST, KEY(sessions_users), "", 0, 32, NULL,
	 "Further accounts that an engineer may ask for."},
};

const struct tl_conf_schema tl_policy_schema = {
	.name = "policy.yaml",
	.intro = "What Towline may do on this machine. It belongs to the machine's owner and wins "
		 "over "
		 "everything the relay asks. Every key is optional; the values shown are the "
		 "defaults.",
	.keys = keys,
	.key_count = TL_ARRAY_LEN(keys),
	.struct_size = sizeof(struct tl_policy),
};

static unsigned scope_bit(const char *name)
{
	for (unsigned i = 0; i < TL_ARRAY_LEN(scope_names); i++) {
		if (tl_streq(scope_names[i], name))
			return 1u << i;
	}
	return 0;
}

static int read_scopes(struct tl_policy *policy, const char *file, struct tl_err *err)
{
	for (size_t i = 0; i < policy->sessions_scopes.count; i++) {
		unsigned bit = scope_bit(policy->sessions_scopes.items[i]);

		if (!bit)
			return tl_err_set(
				err, TL_ECONFIG,
				"%s: sessions.scopes: \"%s\" is none of terminal, exec, files, "
				"forwarding, agent",
				file, policy->sessions_scopes.items[i]);
		policy->scopes |= bit;
	}
	return 0;
}

static int read_levels(const struct tl_policy *policy, const char *file, struct tl_err *err)
{
	for (size_t i = 0; i < policy->collect_levels.count; i++) {
		const char *level = policy->collect_levels.items[i];

		if (!tl_streq(level, "secrets") && !tl_streq(level, "identities") &&
		    !tl_streq(level, "off"))
			return tl_err_set(err, TL_ECONFIG,
					  "%s: collect.levels: \"%s\" is none of secrets, "
					  "identities, off",
					  file, level);
	}
	return 0;
}

int tl_policy_parse(const char *text, size_t len, struct tl_policy *ret_policy, struct tl_err *err)
{
	int rc = tl_conf_parse(&tl_policy_schema, "policy.yaml", "/etc/towline", text, len,
			       ret_policy, err);

	if (rc == 0)
		rc = read_levels(ret_policy, "policy.yaml", err);
	if (rc == 0)
		rc = tl_policy_check_sessions(ret_policy, "policy.yaml", err);
	if (rc == 0)
		rc = tl_policy_check_environment(ret_policy, "policy.yaml", err);
	return rc == 0 ? read_scopes(ret_policy, "policy.yaml", err) : rc;
}

int tl_policy_load(const char *path, struct tl_policy *ret_policy, struct tl_err *err)
{
	int rc;

	if (!path && access(TL_POLICY_PATH, F_OK) != 0)
		return tl_policy_parse("", 0, ret_policy, err);
	path = path ? path : TL_POLICY_PATH;
	rc = tl_conf_load(&tl_policy_schema, path, ret_policy, err);
	if (rc == 0)
		rc = read_levels(ret_policy, path, err);
	if (rc == 0)
		rc = tl_policy_check_sessions(ret_policy, path, err);
	if (rc == 0)
		rc = tl_policy_check_environment(ret_policy, path, err);
	return rc == 0 ? read_scopes(ret_policy, path, err) : rc;
}

void tl_policy_clear(struct tl_policy *policy)
{
	tl_conf_clear(&tl_policy_schema, policy);
}

int tl_policy_narrow(const struct tl_policy *policy, const struct tl_grant *grant,
		     unsigned *ret_scopes, int64_t *ret_max_s, struct tl_err *err)
{
	unsigned scopes = grant->scopes & policy->scopes;
	int64_t max_s = policy->sessions_max_minutes * 60;

	if (!policy->sessions_enabled)
		return tl_err_set(err, TL_EDENIED,
				  "this machine's policy allows no sessions (sessions.enabled)");
	if (policy->sessions_forward.count == 0)
		scopes &= ~TL_SCOPE_FORWARDING;
	if (!scopes)
		return tl_err_set(
			err, TL_EDENIED,
			"this machine's policy allows nothing of what the session asks for "
			"(sessions.scopes)");
	*ret_scopes = scopes;
	*ret_max_s = grant->max_s < max_s ? grant->max_s : max_s;
	return 0;
}

void tl_policy_second(const struct tl_policy *policy, const struct tl_grant *grant,
		      enum tl_second *ret_second, int64_t *ret_away_s)
{
	enum tl_second own = (enum tl_second)policy->sessions_second;
	int64_t own_s = policy->sessions_second_away_ms / 1000;

	*ret_second = own > grant->second ? own : grant->second;
	*ret_away_s = own == TL_SECOND_NONE ? grant->second_away_s : own_s;
	if (own != TL_SECOND_NONE && grant->second != TL_SECOND_NONE &&
	    grant->second_away_s < own_s)
		*ret_away_s = grant->second_away_s;
}

int64_t tl_policy_extended_s(const struct tl_policy *policy, const struct tl_grant *grant,
			     int64_t wanted_s)
{
	int64_t most_s = (policy->sessions_max_minutes + policy->sessions_extend_minutes) * 60;

	most_s = most_s < grant->max_s ? most_s : grant->max_s;
	return wanted_s < most_s ? wanted_s : most_s;
}

static bool is_listed(const struct tl_policy *policy, uid_t uid)
{
	struct passwd entry, *found = NULL;
	char buffer[4096];

	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
		return false;
	return tl_strv_has(&policy->consent_ask, found->pw_name);
}

/* By name or number, as sessions.user has it. */
static bool is_account(const char *account, uid_t uid)
{
	struct passwd entry, *found = NULL;
	char buffer[4096];
	uint64_t number;

	if (!account || !account[0])
		return false;
	if (tl_str_u64(account, UINT32_MAX - 1, &number) == 0)
		return uid == (uid_t)number;
	return getpwnam_r(account, &entry, buffer, sizeof(buffer), &found) == 0 && found &&
	       found->pw_uid == uid;
}

static bool is_session_account(const struct tl_policy *policy, uid_t uid)
{
	if (uid == geteuid())
		return false;
	for (size_t i = 0; i < policy->sessions_users.count; i++)
		if (is_account(policy->sessions_users.items[i], uid))
			return true;
	return is_account(policy->sessions_user, uid);
}

bool tl_policy_may_consent(const struct tl_policy *policy, uid_t uid, uid_t agent_uid)
{
	if (uid == agent_uid && agent_uid != geteuid())
		return false;
	if (policy->consent_ask.count > 0)
		return is_listed(policy, uid);
	if (is_session_account(policy, uid))
		return false;
	return uid == 0 || uid == geteuid() || (uid >= PERSON_UID_FIRST && uid <= PERSON_UID_LAST);
}

json_t *tl_policy_summary(const struct tl_policy *policy)
{
	return json_pack("{s:o, s:b, s:b, s:o, s:I}", "profiles",
			 tl_grant_texts_json(&policy->collect_profiles), "sessions",
			 policy->sessions_enabled, "unattended", policy->sessions_unattended,
			 "scopes", tl_scopes_json(policy->scopes), "max_minutes",
			 (json_int_t)policy->sessions_max_minutes);
}

json_t *tl_scopes_json(unsigned scopes)
{
	json_t *json = json_array();

	for (unsigned i = 0; i < TL_ARRAY_LEN(scope_names); i++) {
		if (scopes & (1u << i))
			json_array_append_new(json, json_string(scope_names[i]));
	}
	return json;
}

int tl_scopes_from_json(const json_t *names, unsigned *ret_scopes, struct tl_err *err)
{
	unsigned scopes = 0;
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		unsigned bit = json_is_string(name) ? scope_bit(json_string_value(name)) : 0;

		if (!bit)
			return tl_err_set(err, TL_EINVAL,
					  "a scope is none of terminal, exec, files, "
					  "forwarding, agent");
		scopes |= bit;
	}
	*ret_scopes = scopes;
	return 0;
}
