/* policy.yaml: what the endpoint's owner allows. It always wins: the relay and the agent can only ask
 * for less. One table (tl_policy_schema) makes loading, `check-config` and policy.yaml(5). Any thread. */
#ifndef TOWLINE_HELPER_POLICY_H
#define TOWLINE_HELPER_POLICY_H

#include <jansson.h>
#include <sys/types.h>
#include <towline/conf.h>
#include <towline/err.h>
#include <towline/grant.h>

#define TL_POLICY_PATH "/etc/towline/policy.yaml"

struct tl_policy {
	struct tl_strv collect_exclude;
	struct tl_strv collect_levels;
	bool collect_privileged;
	struct tl_strv collect_profiles;
	bool collect_recipients_required;
	int64_t collect_timeout_ms;
	struct tl_strv
		consent_ask; /* login names; empty: every person, see tl_policy_may_consent */
	int64_t consent_timeout_ms;
	bool consent_unattended;
	bool sessions_announce;
	struct tl_strv sessions_break_glass;
	char *sessions_break_glass_hours;
	int64_t sessions_break_glass_reason;
	bool sessions_enabled;
	bool sessions_engineer_signed;
	struct tl_strv sessions_environment; /* names, "X_*" for a family */
	struct tl_strv sessions_forward;     /* towline/forward.h */
	struct tl_strv sessions_lanes;
	int64_t sessions_extend_minutes;
	int64_t sessions_max_minutes;
	char *sessions_roster_key;
	struct tl_strv sessions_scopes;
	int sessions_second; /* enum tl_second */
	int64_t sessions_second_away_ms;
	bool sessions_unattended;
	char *sessions_user;
	struct tl_strv sessions_users;
	unsigned scopes; /* sessions_scopes as TL_SCOPE_* bits */
};

extern const struct tl_conf_schema tl_policy_schema;

/* Loads `path`; NULL means TL_POLICY_PATH, which may be missing (defaults then). *ret_policy is zeroed
 * by the caller and cleared with tl_policy_clear, after failure too. */
TL_MUST_CHECK int tl_policy_load(const char *path, struct tl_policy *ret_policy,
				 struct tl_err *err);
/* From memory, for tests and the fuzzer. */
TL_MUST_CHECK int tl_policy_parse(const char *text, size_t len, struct tl_policy *ret_policy,
				  struct tl_err *err);
void tl_policy_clear(struct tl_policy *policy);
TL_DEFINE_AUTO(tl_policy, tl_policy_clear);

/* Whether a bundle of this profile ("service:nginx": by what stands before the colon), at this level of
 * redaction, for so many recipients may be made; TL_EDENIED with the sentence otherwise. */
TL_MUST_CHECK int tl_policy_check_collect(const struct tl_policy *policy, const char *profile,
					  const char *level, size_t recipients, struct tl_err *err);
/* Whether collectors may be named beside the profile's: only where the profile "full", which has all of
 * them, is allowed. TL_EDENIED. */
TL_MUST_CHECK int tl_policy_check_include(const struct tl_policy *policy, size_t includes,
					  struct tl_err *err);
/* Adds what is never collected to the list of texts. */
void tl_policy_add_excludes(const struct tl_policy *policy, json_t *exclude);

/* What policy leaves of a grant's scopes and duration; TL_EDENIED with the sentence when it leaves
 * nothing. */
TL_MUST_CHECK int tl_policy_narrow(const struct tl_policy *policy, const struct tl_grant *grant,
				   unsigned *ret_scopes, int64_t *ret_max_s, struct tl_err *err);

/* Checks what the table of keys cannot: lanes, hours, the fingerprint. */
TL_MUST_CHECK int tl_policy_check_sessions(const struct tl_policy *policy, const char *file,
					   struct tl_err *err);
/* Whether a grant's lane and account are allowed, whether it states its purpose where nobody is asked, and whether
 * an emergency is one that policy knows. TL_EDENIED with the key in the sentence. */
TL_MUST_CHECK int tl_policy_check_grant(const struct tl_policy *policy,
					const struct tl_grant *grant, const struct tl_clock *clock,
					struct tl_err *err);
/* The account that a session runs as: the grant's wish where policy lists it, else sessions.user; "": the
 * helper's own. */
TL_MUST_CHECK int tl_policy_account(const struct tl_policy *policy, const char *wished,
				    const char **ret_account, struct tl_err *err);

/* Whether a second engineer is needed, and how long that one may be away: the stricter of both. */
void tl_policy_second(const struct tl_policy *policy, const struct tl_grant *grant,
		      enum tl_second *ret_second, int64_t *ret_away_s);
/* The longest duration that a person here may make it who wants `wanted_s`. */
int64_t tl_policy_extended_s(const struct tl_policy *policy, const struct tl_grant *grant,
			     int64_t wanted_s);

/* May this user decide about sessions? Never the agent's own account when that differs from the
 * helper's: a captured agent must not consent in a person's place. With an empty list: root, the
 * helper's own user, and accounts of people (uid 1000 to 60000, login.defs(5)), except the one that
 * sessions run as: an engineer in one session must not consent to the next. */
bool tl_policy_may_consent(const struct tl_policy *policy, uid_t uid, uid_t agent_uid);

TL_MUST_CHECK int tl_policy_check_environment(const struct tl_policy *policy, const char *file,
					      struct tl_err *err);
/* May an engineer's client set this variable in a session? */
bool tl_policy_may_set(const struct tl_policy *policy, const char *name);

/* The summary for `hello`; the caller owns it. */
json_t *tl_policy_summary(const struct tl_policy *policy);

/* Scope bits as a JSON array of names and back. */
json_t *tl_scopes_json(unsigned scopes);
TL_MUST_CHECK int tl_scopes_from_json(const json_t *names, unsigned *ret_scopes,
				      struct tl_err *err);

#endif
