#include "../common/tests.h"

#include <towline/json.h>
#include <unistd.h>

#include "helper/policy.h"

static int parse(const char *text, struct tl_policy *ret_policy, struct tl_err *err)
{
	return tl_policy_parse(text, strlen(text), ret_policy, err);
}

static void without_a_file_the_defaults_are_careful(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};

	(void)state;
	assert_int_equal(parse("", &policy, NULL), 0);
	assert_true(policy.sessions_enabled);
	assert_false(policy.sessions_unattended);
	assert_false(policy.consent_unattended);
	assert_int_equal(policy.consent_timeout_ms, 120000);
	assert_int_equal(policy.scopes, TL_SCOPE_TERMINAL | TL_SCOPE_EXEC | TL_SCOPE_FILES);
	assert_string_equal(policy.sessions_user, "");
}

static void an_unknown_key_is_an_error_with_its_line(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(parse("sessions:\n  enabeld: false\n", &policy, &err), TL_ECONFIG);
	assert_says(&err, "policy.yaml:2");
}

static void an_unknown_scope_is_an_error(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(parse("sessions:\n  scopes: [terminal, root]\n", &policy, &err),
			 TL_ECONFIG);
	assert_says(&err, "\"root\"");
}

static void policy_narrows_scopes_and_duration(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	struct tl_grant grant = {.scopes = TL_SCOPE_ALL, .max_s = 36000};
	unsigned scopes = 0;
	int64_t max_s = 0;

	(void)state;
	assert_int_equal(parse("sessions:\n  scopes: [exec]\n  max_minutes: 5\n", &policy, NULL),
			 0);
	assert_int_equal(tl_policy_narrow(&policy, &grant, &scopes, &max_s, NULL), 0);
	assert_int_equal(scopes, TL_SCOPE_EXEC);
	assert_int_equal(max_s, 300);
}

static void policy_never_widens_a_grant(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	struct tl_grant grant = {.scopes = TL_SCOPE_EXEC, .max_s = 60};
	unsigned scopes = 0;
	int64_t max_s = 0;

	(void)state;
	assert_int_equal(parse("", &policy, NULL), 0);
	assert_int_equal(tl_policy_narrow(&policy, &grant, &scopes, &max_s, NULL), 0);
	assert_int_equal(scopes, TL_SCOPE_EXEC);
	assert_int_equal(max_s, 60);
}

static void forwarding_without_a_place_is_no_scope(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	struct tl_grant grant = {.scopes = TL_SCOPE_EXEC | TL_SCOPE_FORWARDING, .max_s = 60};
	unsigned scopes = 0;
	int64_t max_s = 0;

	(void)state;
	assert_int_equal(parse("sessions:\n  scopes: [exec, forwarding]\n", &policy, NULL), 0);
	assert_int_equal(tl_policy_narrow(&policy, &grant, &scopes, &max_s, NULL), 0);
	assert_int_equal(scopes, TL_SCOPE_EXEC);
}

static void a_place_that_is_none_is_an_error(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(parse("sessions:\n  forward: [\"db\"]\n", &policy, &err), TL_ECONFIG);
	assert_says(&err, "sessions.forward");
	assert_says(&err, "\"db\"");
}

static void only_harmless_variables_may_be_set(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};

	(void)state;
	assert_int_equal(parse("sessions:\n  environment: [DEPLOY_*, EDITOR]\n", &policy, NULL), 0);
	assert_true(tl_policy_may_set(&policy, "LANG"));
	assert_true(tl_policy_may_set(&policy, "LC_ALL"));
	assert_true(tl_policy_may_set(&policy, "DEPLOY_KEY"));
	assert_true(tl_policy_may_set(&policy, "EDITOR"));
	assert_false(tl_policy_may_set(&policy, "EDITOR2"));
	assert_false(tl_policy_may_set(&policy, "LANGUAGE"));
	assert_false(tl_policy_may_set(&policy, "LD_PRELOAD"));
	assert_false(tl_policy_may_set(&policy, "PATH"));
}

static void variables_that_change_what_runs_cannot_be_allowed(void **state)
{
	static const char *const bad[] = {"LD_PRELOAD",	   "LD_*", "L*",       "*",
					  "PATH",	   "P*",   "BASH_ENV", "TOWLINE_SESSION",
					  "SSH_AUTH_SOCK", "A-B"};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++) {
		tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
		struct tl_err err = TL_ERR_INIT;
		char text[128];

		snprintf(text, sizeof(text), "sessions:\n  environment: [\"%s\"]\n", bad[i]);
		assert_int_equal(parse(text, &policy, &err), TL_ECONFIG);
		assert_says(&err, bad[i]);
	}
}

static void switched_off_sessions_name_the_key(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	struct tl_grant grant = {.scopes = TL_SCOPE_ALL, .max_s = 60};
	struct tl_err err = TL_ERR_INIT;
	unsigned scopes;
	int64_t max_s;

	(void)state;
	assert_int_equal(parse("sessions:\n  enabled: false\n", &policy, NULL), 0);
	assert_int_equal(tl_policy_narrow(&policy, &grant, &scopes, &max_s, &err), TL_EDENIED);
	assert_says(&err, "sessions.enabled");
}

static void the_agent_cannot_consent_in_a_persons_place(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	uid_t agent_uid = geteuid() + 1500;

	(void)state;
	assert_int_equal(parse("", &policy, NULL), 0);
	assert_false(tl_policy_may_consent(&policy, agent_uid, agent_uid));
	assert_true(tl_policy_may_consent(&policy, geteuid(), agent_uid));
}

static void system_accounts_cannot_consent(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	uid_t daemon_uid = geteuid() == 33 ? 34 : 33;

	(void)state;
	assert_int_equal(parse("", &policy, NULL), 0);
	assert_false(tl_policy_may_consent(&policy, daemon_uid, 61202));
	assert_true(tl_policy_may_consent(&policy, 1000, 61202));
}

static void the_sessions_account_consents_only_where_it_is_listed(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0}, listed = {.scopes = 0};
	char text[64];
	uid_t account;

	(void)state;
	/* Whoever runs the helper is nobody else's account. */
	account = geteuid() == 1000 ? 1002 : 1000;
	snprintf(text, sizeof(text), "sessions:\n  user: \"%u\"\n", account);
	assert_int_equal(parse(text, &policy, NULL), 0);
	assert_false(tl_policy_may_consent(&policy, account, 61202));
	assert_true(tl_policy_may_consent(&policy, 1001, 61202));
	assert_int_equal(parse("consent:\n  ask: [root]\nsessions:\n  user: root\n", &listed, NULL),
			 0);
	assert_true(tl_policy_may_consent(&listed, 0, 61202));
}

static void a_list_of_names_excludes_everybody_else(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};

	(void)state;
	assert_int_equal(parse("consent:\n  ask: [root]\n", &policy, NULL), 0);
	assert_true(tl_policy_may_consent(&policy, 0, 61202));
	assert_false(tl_policy_may_consent(&policy, 1000, 61202));
}

static void scopes_go_to_json_and_back(void **state)
{
	(void)state;
	for (unsigned scopes = 0; scopes <= TL_SCOPE_ALL; scopes++) {
		tl_json *json = tl_scopes_json(scopes);
		unsigned back = 0;

		assert_int_equal(tl_scopes_from_json(json, &back, NULL), 0);
		assert_int_equal(back, scopes);
	}
}

static void collections_are_judged_by_profile_level_and_recipients(void **state)
{
	static const char text[] = "collect:\n  profiles: [quick, serv*]\n  levels: [secrets]\n";
	static const struct {
		const char *profile, *level, *says;
	} rows[] = {
		{"quick", "secrets", NULL},
		{"service:nginx.service", "secrets", NULL},
		{"standard", "secrets", "collect.profiles"},
		{"quick", "identities", "collect.levels"},
		{"quick", "off", "collect.levels"},
	};
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};

	(void)state;
	assert_int_equal(parse(text, &policy, NULL), 0);
	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		struct tl_err err = TL_ERR_INIT;
		int rc = tl_policy_check_collect(&policy, rows[i].profile, rows[i].level, 0, &err);

		assert_int_equal(rc, rows[i].says ? TL_EDENIED : 0);
		if (rows[i].says)
			assert_says(&err, rows[i].says);
	}
}

static void collectors_beside_the_profile_need_a_policy_that_allows_all(void **state)
{
	tl_auto(tl_policy) struct tl_policy narrow = {.scopes = 0}, wide = {.scopes = 0};
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(parse("collect:\n  profiles: [quick]\n", &narrow, NULL), 0);
	assert_int_equal(parse("", &wide, NULL), 0);
	assert_int_equal(tl_policy_check_include(&narrow, 0, NULL), 0);
	assert_int_equal(tl_policy_check_include(&narrow, 1, &err), TL_EDENIED);
	assert_says(&err, "collect.profiles");
	assert_int_equal(tl_policy_check_include(&wide, 1, NULL), 0);
}

static void bundles_for_nobody_may_be_forbidden(void **state)
{
	static const char text[] =
		"collect:\n  recipients_required: true\n  exclude: [/etc/shop, ssh*]\n";
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	tl_json *exclude = json_array();
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(parse(text, &policy, NULL), 0);
	assert_int_equal(tl_policy_check_collect(&policy, "quick", "secrets", 0, &err), TL_EDENIED);
	assert_says(&err, "collect.recipients_required");
	assert_int_equal(tl_policy_check_collect(&policy, "quick", "secrets", 1, &err), 0);
	tl_policy_add_excludes(&policy, exclude);
	assert_int_equal(json_array_size(exclude), 2);
}

static void nothing_hidden_is_not_allowed_by_default(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};

	(void)state;
	assert_int_equal(parse("", &policy, NULL), 0);
	assert_int_equal(tl_policy_check_collect(&policy, "x", "secrets", 0, NULL), 0);
	assert_int_equal(tl_policy_check_collect(&policy, "x", "identities", 0, NULL), 0);
	assert_int_equal(tl_policy_check_collect(&policy, "x", "off", 0, NULL), TL_EDENIED);
}

static void unknown_level_is_an_error(void **state)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(parse("collect:\n  levels: [everything]\n", &policy, &err), TL_ECONFIG);
	assert_says(&err, "collect.levels");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_the_defaults_are_careful),
		cmocka_unit_test(an_unknown_key_is_an_error_with_its_line),
		cmocka_unit_test(an_unknown_scope_is_an_error),
		cmocka_unit_test(policy_narrows_scopes_and_duration),
		cmocka_unit_test(policy_never_widens_a_grant),
		cmocka_unit_test(forwarding_without_a_place_is_no_scope),
		cmocka_unit_test(a_place_that_is_none_is_an_error),
		cmocka_unit_test(only_harmless_variables_may_be_set),
		cmocka_unit_test(variables_that_change_what_runs_cannot_be_allowed),
		cmocka_unit_test(switched_off_sessions_name_the_key),
		cmocka_unit_test(the_agent_cannot_consent_in_a_persons_place),
		cmocka_unit_test(system_accounts_cannot_consent),
		cmocka_unit_test(the_sessions_account_consents_only_where_it_is_listed),
		cmocka_unit_test(a_list_of_names_excludes_everybody_else),
		cmocka_unit_test(scopes_go_to_json_and_back),
		cmocka_unit_test(collections_are_judged_by_profile_level_and_recipients),
		cmocka_unit_test(collectors_beside_the_profile_need_a_policy_that_allows_all),
		cmocka_unit_test(bundles_for_nobody_may_be_forbidden),
		cmocka_unit_test(nothing_hidden_is_not_allowed_by_default),
		cmocka_unit_test(unknown_level_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
