#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "desk/session.h"

/* A host with a ticket, an engineer, and a session that was asked for. */
struct scene {
	struct host host;
	char ticket[33], token[TL_TOKEN_TEXT_MAX];
	char session[TL_ID_LEN + 1];
};

static void scene_clear(struct scene *scene)
{
	host_clear(&scene->host);
}
TL_DEFINE_AUTO(scene, scene_clear);

static void ask_session(struct rig *rig, struct scene *scene)
{
	static const char *const keys[] = {"ssh-ed25519 AAAA", NULL};
	struct tl_engineer engineer = {.login = "erin", .name = "Erin"};
	struct tl_session_target target;
	struct tl_err err = TL_ERR_INIT;
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r;

	assert_int_equal(tl_store_row(rig->store, "SELECT id FROM app_user WHERE login = 'erin'",
				      TL_NO_ARGS, &row, &err),
			 0);
	snprintf(engineer.id, sizeof engineer.id, "%s", tl_rows_text(row, 0));
	tl_rows_free(tl_steal(&row));
	r = tl_session_resolve(rig->store, "web", &target, &err);
	if (r == 0)
		r = tl_session_request(&rig->desk, rig->store,
				       &(struct tl_session_ask){.engineer = &engineer,
								.target = &target,
								.lane = TL_LANE_BASTION,
								.scopes = TL_SCOPE_TERMINAL |
									  TL_SCOPE_EXEC,
								.keys = keys,
								.address = "192.0.2.1"},
				       scene->session, &err);
	if (r)
		fail_msg("%s", tl_err_text(&err));
}

static void make_scene(struct rig *rig, struct scene *scene)
{
	memset(scene, 0, sizeof *scene);
	rig_host(rig, "web", &scene->host);
	rig_ticket(rig, &scene->host, scene->ticket);
	rig_person(rig, "erin", "engineer", scene->token);
	ask_session(rig, scene);
}

static void post(struct rig *rig, const struct host *host, const char *session, const char *what,
		 const char *body, struct reply *ret_reply)
{
	char path[128];

	snprintf(path, sizeof path, "/v1/agent/sessions/%s/%s", session, what);
	rig_ask(rig,
		&(struct ask){.method = "POST", .path = path, .token = host->token, .json = body},
		ret_reply);
}

static void decide(struct rig *rig, const struct scene *scene, const struct tl_key *signer,
		   const char *decision, const char *scope, struct reply *ret_reply)
{
	char consent[2048], body[4096];

	rig_sign(signer, TL_JWT_CONSENT,
		 json_pack("{s:s, s:s, s:s, s:s, s:[s]}", "host", scene->host.id, "what", "session",
			   "subject", scene->session, "decision", decision, "scopes", scope),
		 consent, sizeof consent);
	snprintf(body, sizeof body, "{\"decision\":\"%s\",\"consent\":\"%s\"}", decision, consent);
	post(rig, &scene->host, scene->session, "decision", body, ret_reply);
}

static void call_home(struct rig *rig, const struct host *host, const char *session,
		      struct reply *ret_reply)
{
	char path[128];

	snprintf(path, sizeof path, "/v1/callhome/%s", session);
	rig_ask(rig,
		&(struct ask){.method = "GET",
			      .path = path,
			      .token = host->token,
			      .headers = {"Connection: Upgrade", "Upgrade: towline-ssh"}},
		ret_reply);
}

static void assert_state(struct rig *rig, const char *expected)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;

	assert_int_equal(tl_store_row(rig->store, "SELECT state FROM session", TL_NO_ARGS, &row,
				      NULL),
			 0);
	assert_string_equal(tl_rows_text(row, 0), expected);
}

struct outcome {
	int fd;
	char refusal[512];
	bool told;
};

static void on_result(void *arg, int fd, const char *refusal)
{
	struct outcome *outcome = arg;

	outcome->told = true;
	outcome->fd = fd;
	snprintf(outcome->refusal, sizeof outcome->refusal, "%s", refusal ? refusal : "");
}

static void a_host_without_an_open_ticket_cannot_be_reached(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	struct tl_session_target target;
	struct tl_err err = TL_ERR_INIT;

	rig_host(rig, "web", &host);
	assert_int_equal(tl_session_resolve(rig->store, "web", &target, &err), TL_EDENIED);
	assert_non_null(strstr(tl_err_text(&err), "no open ticket"));
	assert_int_equal(tl_session_resolve(rig->store, "nobody", &target, &err), TL_ENOENT);
}

static void a_target_is_a_name_an_id_or_a_ticket(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	struct tl_session_target target;
	struct tl_err err = TL_ERR_INIT;
	char ticket[33];

	rig_host(rig, "web", &host);
	rig_ticket(rig, &host, ticket);
	ticket[0] = 't'; /* any case */
	assert_int_equal(tl_session_resolve(rig->store, "web", &target, &err), 0);
	assert_int_equal(tl_session_resolve(rig->store, "WEB", &target, &err), 0);
	assert_int_equal(tl_session_resolve(rig->store, host.id, &target, &err), 0);
	assert_int_equal(tl_session_resolve(rig->store, ticket, &target, &err), 0);
	assert_string_equal(target.host, host.id);
	assert_string_equal(target.ticket, "T-1001");
}

static void the_grant_is_for_this_host_and_verifies(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	tl_auto(tl_grant) struct tl_grant grant = {.session = ""};
	struct tl_err err = TL_ERR_INIT;

	make_scene(rig, &scene);
	assert_int_equal(tl_store_row(rig->store, "SELECT grant_jws FROM session", TL_NO_ARGS, &row,
				      &err),
			 0);
	if (tl_grant_verify(tl_rows_text(row, 0), strlen(tl_rows_text(row, 0)), rig->desk.authority,
			    scene.host.id, &rig->clock.clock, &grant, &err))
		fail_msg("%s", tl_err_text(&err));
	assert_string_equal(grant.session, scene.session);
	assert_string_equal(grant.purpose, "it is slow");
	assert_int_equal(grant.scopes, TL_SCOPE_TERMINAL | TL_SCOPE_EXEC);
}

static void consent_narrows_the_scopes(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply reply;
	tl_auto(tl_rows) struct tl_rows *row = NULL;

	make_scene(rig, &scene);
	decide(rig, &scene, scene.host.consent_key, "yes", "terminal", &reply);
	assert_status(&reply, 204);
	assert_state(rig, "consented");
	assert_int_equal(tl_store_row(rig->store, "SELECT scopes FROM session", TL_NO_ARGS, &row,
				      NULL),
			 0);
	assert_string_equal(tl_rows_text(row, 0), "terminal");
}

static void consent_cannot_widen_the_scopes(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply reply;

	make_scene(rig, &scene);
	decide(rig, &scene, scene.host.consent_key, "yes", "forwarding", &reply);
	assert_status(&reply, 422);
	assert_state(rig, "requested");
}

static void a_consent_of_another_key_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply reply;

	make_scene(rig, &scene);
	decide(rig, &scene, scene.host.key, "yes", "terminal", &reply);
	assert_problem(&reply, 422, "consent-invalid");
	assert_state(rig, "requested");
}

static void a_yes_without_receipt_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply reply;

	make_scene(rig, &scene);
	post(rig, &scene.host, scene.session, "decision", "{\"decision\":\"yes\"}", &reply);
	assert_status(&reply, 422);
	assert_state(rig, "requested");
}

static void a_repeated_decision_is_taken_once(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply first, again, other;

	make_scene(rig, &scene);
	decide(rig, &scene, scene.host.consent_key, "yes", "terminal", &first);
	decide(rig, &scene, scene.host.consent_key, "yes", "terminal", &again);
	decide(rig, &scene, scene.host.consent_key, "no", "terminal", &other);
	assert_status(&again, 204);
	assert_problem(&other, 409, "session-decided");
	assert_int_equal(
		place_number(rig->store,
			     "SELECT count(*) FROM timeline WHERE kind = 'session-decided'"),
		1);
}

static void a_refusal_that_comes_before_the_engineer_waits_is_kept(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply reply;
	struct outcome outcome = {.fd = -2};

	make_scene(rig, &scene);
	post(rig, &scene.host, scene.session, "decision",
	     "{\"decision\":\"no\",\"reason\":\"in a meeting\"}", &reply);
	assert_status(&reply, 204);
	assert_int_equal(tl_broker_wait(rig->desk.broker, scene.session, on_result, &outcome, NULL),
			 0);
	assert_true(outcome.told);
	assert_int_equal(outcome.fd, -1);
	assert_string_equal(outcome.refusal, "the user at the host said no: in a meeting");
	assert_state(rig, "refused");
}

static void a_call_home_before_consent_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply reply;

	make_scene(rig, &scene);
	call_home(rig, &scene.host, scene.session, &reply);
	assert_problem(&reply, 409, "session-not-waiting");
}

/* curl leaves "Connection: Upgrade" out: this is no upgrade in the sense of RFC 9110 §7.8. */
static void a_call_home_that_is_no_upgrade_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply yes, reply;
	char path[128];

	make_scene(rig, &scene);
	decide(rig, &scene, scene.host.consent_key, "yes", "terminal", &yes);
	snprintf(path, sizeof path, "/v1/callhome/%s", scene.session);
	rig_ask(rig,
		&(struct ask){.method = "GET",
			      .path = path,
			      .token = scene.host.token,
			      .headers = {"Upgrade: towline-ssh"}},
		&reply);
	assert_problem(&reply, 426, "upgrade-required");
}

static void a_call_home_of_another_host_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(host) struct host other;
	tl_auto(reply) struct reply yes, reply;

	make_scene(rig, &scene);
	rig_host(rig, "other", &other);
	decide(rig, &scene, scene.host.consent_key, "yes", "terminal", &yes);
	call_home(rig, &other, scene.session, &reply);
	assert_status(&reply, 404);
	assert_state(rig, "consented");
}

static void a_call_home_after_the_grant_expired_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply yes, reply;

	make_scene(rig, &scene);
	decide(rig, &scene, scene.host.consent_key, "yes", "terminal", &yes);
	tl_clock_fake_advance(&rig->clock, 300001);
	call_home(rig, &scene.host, scene.session, &reply);
	assert_problem(&reply, 409, "session-not-waiting");
}

static void the_end_is_told_once(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply yes, ended, again;
	struct tl_err err = TL_ERR_INIT;

	make_scene(rig, &scene);
	decide(rig, &scene, scene.host.consent_key, "yes", "terminal", &yes);
	assert_int_equal(tl_session_opened(&rig->desk, rig->store, scene.session, &err), 0);
	post(rig, &scene.host, scene.session, "ended",
	     "{\"reason\":\"logged out\",\"bytes_in\":1,\"bytes_out\":2}", &ended);
	post(rig, &scene.host, scene.session, "ended", "{\"reason\":\"again\"}", &again);
	assert_status(&ended, 204);
	assert_status(&again, 204);
	assert_state(rig, "ended");
	assert_int_equal(place_number(rig->store,
				      "SELECT count(*) FROM timeline WHERE kind = 'session-ended'"),
			 1);
}

static void sessions_left_open_are_closed_at_the_next_start(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	struct tl_err err = TL_ERR_INIT;

	make_scene(rig, &scene);
	assert_int_equal(tl_desk_recover(&rig->desk, rig->store, &err), 0);
	assert_state(rig, "ended");
	assert_int_equal(place_number(rig->store,
				      "SELECT count(*) FROM session WHERE end_reason LIKE "
				      "'%restarted%'"),
			 1);
}

static void sessions_of_another_node_are_left_alone(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	struct tl_err err = TL_ERR_INIT;

	make_scene(rig, &scene);
	snprintf(rig->desk.node, sizeof rig->desk.node, "other:/var/lib/towline-relay");
	assert_int_equal(tl_desk_recover(&rig->desk, rig->store, &err), 0);
	assert_state(rig, "requested");
}

static void assert_swept(struct rig *rig, const char *state, const char *reason)
{
	struct tl_err err = TL_ERR_INIT;
	char sql[128];

	assert_int_equal(tl_desk_sweep(&rig->desk, rig->store, &err), 0);
	assert_state(rig, state);
	snprintf(sql, sizeof sql, "SELECT count(*) FROM session WHERE end_reason LIKE '%s'",
		 reason);
	assert_int_equal(place_number(rig->store, sql), 1);
}

static void a_request_that_nobody_answered_expires(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	struct tl_err err = TL_ERR_INIT;

	make_scene(rig, &scene);
	tl_clock_fake_advance(&rig->clock, rig->desk.grant_life_ms);
	assert_int_equal(tl_desk_sweep(&rig->desk, rig->store, &err), 0);
	assert_state(rig, "requested"); /* whoever waits tells it first */
	tl_clock_fake_advance(&rig->clock, 61000);
	assert_swept(rig, "ended", "the request expired: nobody answered%");
}

static void a_session_that_was_agreed_to_and_never_began_expires(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply yes;

	make_scene(rig, &scene);
	decide(rig, &scene, scene.host.consent_key, "yes", "terminal", &yes);
	tl_clock_fake_advance(&rig->clock, rig->desk.grant_life_ms + 61000);
	assert_swept(rig, "ended", "%never began");
}

static void a_session_whose_node_is_gone_ends_when_its_time_has_passed(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply yes;
	struct tl_err err = TL_ERR_INIT;

	make_scene(rig, &scene);
	decide(rig, &scene, scene.host.consent_key, "yes", "terminal", &yes);
	assert_int_equal(tl_session_opened(&rig->desk, rig->store, scene.session, &err), 0);
	tl_clock_fake_advance(&rig->clock, rig->desk.grant_life_ms + 61000);
	assert_int_equal(tl_desk_sweep(&rig->desk, rig->store, &err), 0);
	assert_state(rig, "open");
	tl_clock_fake_advance(&rig->clock, rig->desk.session_max_s * 1000);
	assert_swept(rig, "ended", "the session%time has passed%");
}

static void expired_assertions_are_forgotten(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	struct tl_err err = TL_ERR_INIT;

	make_scene(rig, &scene);
	assert_int_equal(tl_desk_sweep(&rig->desk, rig->store, &err), 0);
	assert_true(place_number(rig->store, "SELECT count(*) FROM assertion_jti") > 0);
	tl_clock_fake_advance(&rig->clock, 3600000);
	assert_int_equal(tl_desk_sweep(&rig->desk, rig->store, &err), 0);
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM assertion_jti"), 0);
}

static void an_engineer_stops_a_session(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply reply, again;
	char path[128];

	make_scene(rig, &scene);
	snprintf(path, sizeof path, "/v1/sessions/%s/stop", scene.session);
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = path,
			      .token = scene.token,
			      .json = "{\"reason\":\"wrong host\"}"},
		&reply);
	assert_status(&reply, 202);
	assert_state(rig, "ended");
	rig_ask(rig,
		&(struct ask){.method = "POST", .path = path, .token = scene.token, .json = "{}"},
		&again);
	assert_problem(&again, 409, "session-over");
}

/* ---- the endpoint's recording ----------------------------------------------------------------- */

#define TUS "Tus-Resumable: 1.0.0"

static void open_recording(struct rig *rig, struct scene *scene, char location[static 256])
{
	tl_auto(tl_buf) struct tl_buf metadata = TL_BUF_INIT(512);
	tl_auto(reply) struct reply reply;
	struct tl_err err = TL_ERR_INIT;

	make_scene(rig, scene);
	assert_int_equal(tl_store_exec(rig->store, "UPDATE session SET lane = 'end-to-end'",
				       TL_NO_ARGS, NULL, &err),
			 0);
	tl_buf_puts(&metadata, "Upload-Metadata: kind ");
	tl_base64_encode(&metadata, "recording", 9);
	tl_buf_puts(&metadata, ",session ");
	tl_base64_encode(&metadata, scene->session, strlen(scene->session));
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/uploads",
			      .token = scene->host.token,
			      .headers = {TUS, "Upload-Defer-Length: 1", tl_buf_str(&metadata)}},
		&reply);
	assert_status(&reply, 201);
	reply_header(&reply, "Location", location);
}

static void patch(struct rig *rig, const struct scene *scene, const char *location,
		  const char *length, struct reply *ret_reply)
{
	rig_ask(rig,
		&(struct ask){.method = "PATCH",
			      .path = location,
			      .token = scene->host.token,
			      .bytes = "x",
			      .len = 1,
			      .headers = {TUS, "Upload-Offset: 0", length}},
		ret_reply);
}

static void a_recordings_late_length_has_the_same_limit(void **state)
{
	struct rig *rig = *state;
	tl_auto(scene) struct scene scene;
	tl_auto(reply) struct reply refused, taken;
	char location[256];

	open_recording(rig, &scene, location);
	patch(rig, &scene, location, "Upload-Length: 1099511627776", &refused);
	assert_status(&refused, 413);
	patch(rig, &scene, location, "Upload-Length: 2", &taken);
	assert_status(&taken, 204);
}

static const struct CMUnitTest tests[] = {
	RIG_TEST(a_recordings_late_length_has_the_same_limit),
	RIG_TEST(a_host_without_an_open_ticket_cannot_be_reached),
	RIG_TEST(a_target_is_a_name_an_id_or_a_ticket),
	RIG_TEST(the_grant_is_for_this_host_and_verifies),
	RIG_TEST(consent_narrows_the_scopes),
	RIG_TEST(consent_cannot_widen_the_scopes),
	RIG_TEST(a_consent_of_another_key_is_refused),
	RIG_TEST(a_yes_without_receipt_is_refused),
	RIG_TEST(a_repeated_decision_is_taken_once),
	RIG_TEST(a_refusal_that_comes_before_the_engineer_waits_is_kept),
	RIG_TEST(a_call_home_before_consent_is_refused),
	RIG_TEST(a_call_home_that_is_no_upgrade_is_refused),
	RIG_TEST(a_call_home_of_another_host_is_refused),
	RIG_TEST(a_call_home_after_the_grant_expired_is_refused),
	RIG_TEST(the_end_is_told_once),
	RIG_TEST(sessions_left_open_are_closed_at_the_next_start),
	RIG_TEST(sessions_of_another_node_are_left_alone),
	RIG_TEST(a_request_that_nobody_answered_expires),
	RIG_TEST(a_session_that_was_agreed_to_and_never_began_expires),
	RIG_TEST(a_session_whose_node_is_gone_ends_when_its_time_has_passed),
	RIG_TEST(expired_assertions_are_forgotten),
	RIG_TEST(an_engineer_stops_a_session),
};

int main(int argc, char **argv)
{
	return place_main("session", tests, TL_ARRAY_LEN(tests), argc, argv);
}
