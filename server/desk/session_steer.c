/* What others do in a running session: pause, resume, take the keyboard over; and what the endpoint tells. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "desk/attend.h"
#include "desk/handlers.h"
#include "desk/session_fact.h"

#define INPUT_MAX 8192 /* bytes in one request */

struct steering {
	const char *reason, *data; /* as sent */
	const char *session;
	bool on;
	char by[150];
	struct tl_problem problem;
};

/* ---- pause ------------------------------------------------------------------------------------ */

static const struct tl_json_member reason_members[] = {
	{"reason", TL_JSON_TEXT, false, offsetof(struct steering, reason), 0, 64},
};

static int hold(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct steering *s = arg;
	struct tl_session_row row;
	int r = tl_session_load(change->store, s->session, &row, err);

	snprintf(s->by, sizeof s->by, "%s%s%s%s", change->actor, s->reason ? " (" : "",
		 s->reason ? s->reason : "", s->reason ? ")" : "");
	return r ? r : tl_session_hold(change, &row, s->on ? s->by : NULL, &s->problem, err);
}

static void steer(struct tl_http_call *call, struct steering *s,
		  int (*body)(struct tl_change *, void *, struct tl_err *))
{
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r = tl_json_read(tl_http_json(call), reason_members, TL_ARRAY_LEN(reason_members), s,
			     &err);

	if (r == 0) {
		tl_change_init(&change, call, body, s);
		r = tl_change_run(&change, &err);
	}
	if (r)
		tl_reply_failure(call, &s->problem, &err);
	else
		tl_http_reply(call, 202, NULL);
}

void tl_session_pause_call(struct tl_http_call *call)
{
	struct steering s = {.session = tl_http_param(call, "id"), .on = true};

	steer(call, &s, hold);
}

void tl_session_resume_call(struct tl_http_call *call)
{
	struct steering s = {.session = tl_http_param(call, "id")};

	steer(call, &s, hold);
}

/* ---- the keyboard ----------------------------------------------------------------------------- */

static int note_typing(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct steering *s = arg;
	struct tl_session_row row;
	int r = tl_session_load(change->store, s->session, &row, err);

	if (r == 0 && s->on && !tl_streq(row.lane, tl_lane_name(TL_LANE_BASTION)))
		r = tl_problem_set(&s->problem, err, 409, "not-in-this-lane",
				   "end to end nobody but the session's engineer can type: the "
				   "relay "
				   "moves ciphertext only");
	return r ? r
		 : tl_session_tell(change, &row, s->on ? "session.take-over" : "session.give-back",
				   s->on ? "session-taken-over" : "session-given-back",
				   json_object(), err);
}

static void type(struct tl_http_call *call, bool on)
{
	struct steering s = {.session = tl_http_param(call, "id"), .on = on};
	struct tl_desk *desk = tl_desk_of(call);
	const char *login = tl_http_principal(call)->login;
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r = tl_presence_has(desk->presence, s.session, login, true)
			? 0
			: tl_problem_set(
				  &s.problem, &err, 409, "not-joined",
				  "only the session's second engineer takes over: join first");

	if (r == 0) {
		tl_change_init(&change, call, note_typing, &s);
		r = tl_change_run(&change, &err);
	}
	if (r == 0)
		r = tl_presence_type(desk->presence, s.session, login, on, &err);
	if (r == 0 && tl_broker_type(desk->broker, s.session, on ? login : NULL) != 0)
		r = tl_problem_set(&s.problem, &err, 409, "session-not-running",
				   "the session does not run here");
	if (r)
		tl_reply_failure(call, &s.problem, &err);
	else
		tl_http_reply(call, 204, NULL);
}

void tl_session_take_over(struct tl_http_call *call)
{
	type(call, true);
}

void tl_session_give_back(struct tl_http_call *call)
{
	type(call, false);
}

static const struct tl_json_member input_members[] = {
	{"data", TL_JSON_TEXT, true, offsetof(struct steering, data), 1, INPUT_MAX * 4 / 3 + 4},
};

/* Not in the audit trail byte by byte: the recording counts and hashes all input, and says who typed. */
void tl_session_input(struct tl_http_call *call)
{
	struct steering s = {.session = tl_http_param(call, "id")};
	struct tl_desk *desk = tl_desk_of(call);
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_SECRET_INIT(INPUT_MAX);
	struct tl_err err = TL_ERR_INIT;
	int r = tl_json_read(tl_http_json(call), input_members, TL_ARRAY_LEN(input_members), &s,
			     &err);

	if (r == 0 && tl_base64_decode(&bytes, s.data, strlen(s.data)) != 0)
		r = tl_err_set(&err, TL_EINVAL, "data is base64 of at most %d bytes", INPUT_MAX);
	if (r == 0 && !tl_presence_types(desk->presence, s.session, tl_http_principal(call)->login))
		r = tl_problem_set(&s.problem, &err, 409, "not-typing",
				   "take the session over first");
	if (r == 0 && (r = tl_broker_input(desk->broker, s.session, bytes.data, bytes.len)) != 0)
		r = tl_problem_set(&s.problem, &err, r == TL_EBUSY ? 429 : 409,
				   r == TL_EBUSY ? "input-full" : "session-not-running",
				   r == TL_EBUSY ? "the session does not take more input yet"
						 : "the session does not run here");
	if (r)
		tl_reply_failure(call, &s.problem, &err);
	else
		tl_http_reply(call, 204, NULL);
}

/* ---- what the endpoint tells ------------------------------------------------------------------ */

struct told {
	const char *said, *held;
	bool person;
	const struct tl_http_call *call;
	const char *session;
};

static const struct tl_json_member told_members[] = {
	{"held", TL_JSON_TEXT, false, offsetof(struct told, held), 1, 300},
	{"person", TL_JSON_BOOL, false, offsetof(struct told, person), 0, 0},
	{"said", TL_JSON_TEXT, true, offsetof(struct told, said), 1, 2048},
};

/* Those who watch hear all of it; the timeline gets what a person at the endpoint did: the rest began here. */
static int note_told(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct told *t = arg;
	struct tl_session_row row;
	int r = tl_session_load_own(t->call, change->store, t->session, &row, err);

	if (r == 0)
		r = tl_change_show(change, row.id, "company",
				   json_pack("{s:s, s:s*}", "said", t->said, "held", t->held), err);
	if (r || !t->person)
		return r;
	return tl_session_tell(change, &row, "session.person", "session-person",
			       json_pack("{s:s}", "text", t->said), err);
}

void tl_session_company_told(struct tl_http_call *call)
{
	struct told told = {.call = call, .session = tl_http_param(call, "id")};
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r = tl_json_read(tl_http_json(call), told_members, TL_ARRAY_LEN(told_members), &told,
			     &err);

	if (r == 0) {
		tl_change_init(&change, call, note_told, &told);
		r = tl_change_run(&change, &err);
	}
	if (r)
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 204, NULL);
}
