#include "../common/tests.h"

#include <unistd.h>

#include "daemon/session.h"
#include "daemon/sessions.h"
#include "fake_relay.h"

#define ID "01arz3ndektsv4rrffq69g5fav"

/* The helper, the child and the token, as the test plays them. */
static struct {
	char verbs[256]; /* asked of the helper, in order */
	tl_link_done *on_decision;
	void *arg;
	bool helper_is_gone;
	unsigned starts, kills;
	char orders[512]; /* told to towline-session */
	int start_code;
	bool no_token;
} world;

static struct tl_agent *agent;

void __wrap_tl_link_call(struct tl_link *link, const char *verb, json_t *args, const int *fds,
			 size_t fd_count, tl_link_done *on_done, void *arg);
void __wrap_tl_link_call(struct tl_link *link TL_UNUSED, const char *verb, json_t *args,
			 const int *fds TL_UNUSED, size_t fd_count TL_UNUSED, tl_link_done *on_done,
			 void *arg)
{
	size_t len = strlen(world.verbs);

	json_decref(args);
	snprintf(world.verbs + len, sizeof(world.verbs) - len, "%s;", verb);
	if (strcmp(verb, "session.request") == 0) {
		world.on_decision = on_done;
		world.arg = arg;
	}
}

bool __wrap_tl_link_is_up(const struct tl_link *link);
bool __wrap_tl_link_is_up(const struct tl_link *link TL_UNUSED)
{
	return !world.helper_is_gone;
}

void __wrap_tl_link_cancel(struct tl_link *link, const void *arg);
void __wrap_tl_link_cancel(struct tl_link *link TL_UNUSED, const void *arg TL_UNUSED)
{
	world.on_decision = NULL;
}

void __wrap_tl_relay_get_token(struct tl_relay *relay, tl_relay_token *on_token, void *arg);
void __wrap_tl_relay_get_token(struct tl_relay *relay TL_UNUSED, tl_relay_token *on_token,
			       void *arg)
{
	struct tl_err err = TL_ERR_INIT;

	tl_err_set(&err, TL_EUNREACH, "no token today");
	on_token(arg, world.no_token ? NULL : "token", world.no_token ? &err : NULL);
}

int __wrap_tl_dialler_start(struct tl_dialler *dialler, uv_loop_t *loop, const json_t *request,
			    struct tl_err *err);
int __wrap_tl_dialler_start(struct tl_dialler *dialler TL_UNUSED, uv_loop_t *loop TL_UNUSED,
			    const json_t *request, struct tl_err *err)
{
	world.starts++;
	assert_string_equal(json_string_value(json_object_get(request, "lane")), "bastion");
	assert_string_equal(json_string_value(json_object_get(request, "access_token")), "token");
	return world.start_code ? tl_err_set(err, world.start_code, "it does not start") : 0;
}

void __wrap_tl_dialler_tell(struct tl_dialler *dialler, const json_t *line);
void __wrap_tl_dialler_tell(struct tl_dialler *dialler TL_UNUSED, const json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);
	size_t len = strlen(world.orders);

	snprintf(world.orders + len, sizeof(world.orders) - len, "%s", text);
	free(text);
}

void __wrap_tl_dialler_kill(struct tl_dialler *dialler);
void __wrap_tl_dialler_kill(struct tl_dialler *dialler TL_UNUSED)
{
	world.kills++;
}

static int set_up(void **state TL_UNUSED)
{
	fake_reset();
	memset(&world, 0, sizeof(world));
	agent = calloc(1, sizeof(*agent));
	agent->config.state_dir = (char *)(uintptr_t) "/nowhere";
	agent->config.proxy = (char *)(uintptr_t) "";
	return uv_loop_init(&agent->loop);
}

static int tear_down(void **state TL_UNUSED)
{
	tl_agent_sessions_close(agent);
	uv_run(&agent->loop, UV_RUN_DEFAULT);
	uv_loop_close(&agent->loop);
	free(agent);
	return 0;
}

static void granted(void)
{
	tl_agent_session_granted(agent, ID, "a.grant");
}

static void decided(const char *decision)
{
	tl_json *result = json_pack("{s:s, s:s, s:[s], s:s}", "decision", decision, "lane",
				    "bastion", "scopes", "terminal", "consent", "a.receipt");

	world.on_decision(world.arg, result, NULL);
}

static void posted(void)
{
	fake_answer((struct tl_reply){.status = 204});
}

static void run_it(void)
{
	granted();
	decided("yes");
	posted();
	assert_int_equal(world.starts, 1);
}

/* What the child's end brings: its last line, then its exit. */
static void child_ends(const char *reason)
{
	struct tl_agent_session *session = agent->sessions;
	tl_json *line =
		json_pack("{s:s, s:i, s:i}", "reason", reason, "bytes_in", 3, "bytes_out", 4);

	session->dialler.on_line(session, line);
	session->dialler.on_exit(session);
}

static void a_grant_is_for_the_helper_to_decide(void **state TL_UNUSED)
{
	granted();
	assert_string_equal(world.verbs, "session.request;");
	assert_int_equal(fake.calls, 0);
}

static void yes_is_told_with_its_receipt_before_anything_starts(void **state TL_UNUSED)
{
	granted();
	decided("yes");
	assert_string_equal(fake.path, "/v1/agent/sessions/" ID "/decision");
	assert_string_equal(fake.body, "{\"decision\":\"yes\",\"consent\":\"a.receipt\"}");
	assert_int_equal(world.starts, 0);
	posted();
	assert_int_equal(world.starts, 1);
}

static void no_is_told_and_starts_nothing(void **state TL_UNUSED)
{
	granted();
	decided("no");
	posted();
	assert_int_equal(world.starts, 0);
	assert_null(agent->sessions);
}

static void a_refusing_helper_is_told_as_policy(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;

	tl_err_set(&err, TL_EDENIED, "sessions are off here");
	granted();
	world.on_decision(world.arg, NULL, &err);
	assert_string_equal(fake.body,
			    "{\"decision\":\"policy\",\"reason\":\"sessions are off here\"}");
}

static void a_grant_sent_again_is_asked_once(void **state TL_UNUSED)
{
	granted();
	granted();
	decided("no");
	posted();
	granted();
	assert_string_equal(world.verbs, "session.request;");
}

static void the_childs_end_is_told_with_its_figures(void **state TL_UNUSED)
{
	run_it();
	child_ends("logged out");
	assert_string_equal(fake.path, "/v1/agent/sessions/" ID "/ended");
	assert_string_equal(fake.body,
			    "{\"reason\":\"logged out\",\"bytes_in\":3,\"bytes_out\":4}");
	posted();
	assert_null(agent->sessions);
}

static void a_stop_asks_the_child_and_then_kills_it(void **state TL_UNUSED)
{
	run_it();
	tl_agent_session_stop(agent, ID, "enough");
	assert_string_equal(world.orders, "{\"stop\":\"enough\"}");
	assert_int_equal(world.kills, 0);
	fake_fire();
	assert_int_equal(world.kills, 1);
}

static void a_stop_before_the_start_starts_nothing(void **state TL_UNUSED)
{
	granted();
	decided("yes");
	tl_agent_session_stop(agent, ID, "enough");
	posted();
	assert_int_equal(world.starts, 0);
	assert_string_equal(fake.path, "/v1/agent/sessions/" ID "/ended");
}

static void a_lost_helper_stops_a_running_session(void **state TL_UNUSED)
{
	run_it();
	world.helper_is_gone = true;
	tl_agent_sessions_orphaned(agent);
	assert_non_null(strstr(world.orders, "the helper on this machine has ended"));
}

static void the_token_is_renewed_while_it_runs(void **state TL_UNUSED)
{
	run_it();
	fake_fire();
	assert_string_equal(world.orders, "{\"access_token\":\"token\"}");
}

static void without_a_token_the_end_is_told_with_the_reason(void **state TL_UNUSED)
{
	world.no_token = true;
	granted();
	decided("yes");
	posted();
	assert_int_equal(world.starts, 0);
	assert_non_null(strstr(fake.body, "no token today"));
}

static void a_child_that_does_not_start_is_told(void **state TL_UNUSED)
{
	world.start_code = TL_EIO;
	granted();
	decided("yes");
	posted();
	assert_non_null(strstr(fake.body, "it does not start"));
}

static void an_unanswered_report_is_repeated_and_then_given_up(void **state TL_UNUSED)
{
	granted();
	decided("no");
	for (unsigned i = 0; i < TL_SESSION_POST_TRIES; i++) {
		assert_int_equal(fake.calls, i + 1);
		fake_answer((struct tl_reply){.status = 503});
		if (agent->sessions)
			fake_fire();
	}
	assert_null(agent->sessions);
}

static void a_refused_report_is_not_repeated(void **state TL_UNUSED)
{
	granted();
	decided("no");
	fake_answer((struct tl_reply){.status = 404});
	assert_null(agent->sessions);
	assert_int_equal(fake.calls, 1);
}

static void one_session_too_many_is_refused_in_words(void **state TL_UNUSED)
{
	char id[] = ID;

	for (char i = 0; i < TL_AGENT_SESSIONS_MAX; i++) {
		id[0] = (char)('0' + i);
		tl_agent_session_granted(agent, id, "a.grant");
	}
	assert_int_equal(fake.calls, 0);
	id[0] = '9';
	tl_agent_session_granted(agent, id, "a.grant");
	assert_string_equal(fake.body, "{\"decision\":\"policy\",\"reason\":\"8 sessions are open "
				       "there already\"}");
	posted();
	assert_null(tl_agent_session_find(agent, id));
}

int main(void)
{
#define SESSION_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SESSION_TEST(a_grant_is_for_the_helper_to_decide),
		SESSION_TEST(yes_is_told_with_its_receipt_before_anything_starts),
		SESSION_TEST(no_is_told_and_starts_nothing),
		SESSION_TEST(a_refusing_helper_is_told_as_policy),
		SESSION_TEST(a_grant_sent_again_is_asked_once),
		SESSION_TEST(the_childs_end_is_told_with_its_figures),
		SESSION_TEST(a_stop_asks_the_child_and_then_kills_it),
		SESSION_TEST(a_stop_before_the_start_starts_nothing),
		SESSION_TEST(a_lost_helper_stops_a_running_session),
		SESSION_TEST(the_token_is_renewed_while_it_runs),
		SESSION_TEST(without_a_token_the_end_is_told_with_the_reason),
		SESSION_TEST(a_child_that_does_not_start_is_told),
		SESSION_TEST(an_unanswered_report_is_repeated_and_then_given_up),
		SESSION_TEST(a_refused_report_is_not_repeated),
		SESSION_TEST(one_session_too_many_is_refused_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
