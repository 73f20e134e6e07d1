#include <stdio.h>
#include <string.h>
#include <towline/log.h>

#include "ssh/front_private.h"

/* A session, from the request to its last entry in the store. Broker callbacks come on other threads
 * and become letters; a letter holds a reference. */
struct tl_visit {
	struct tl_ssh_front *front;
	unsigned
		refs; /* loop thread only, except that a letter's is taken while the broker's call runs */
	const struct tl_visit_events *events;
	void *arg;
	struct tl_engineer engineer;
	struct tl_session_target target;
	char target_text[256], address[64], session[27];
	char *key_line, *login_key;
	enum tl_lane lane;
	unsigned scopes;
	bool granted; /* a worker's result, for the loop to read when the job is done */
	bool requested, answered, running, busy, ended;
	int fd, record_fd;
	struct tl_record *record;
	struct tl_err err, end_err;
	char reason[200];
	uint64_t bytes_in, bytes_out;
	size_t typed_bytes; /* of letters under way; atomic */
};

static void visit_free(struct tl_visit *visit)
{
	struct tl_ssh_front *front = visit->front;

	if (visit->fd >= 0)
		close(visit->fd);
	if (visit->record_fd >= 0)
		close(visit->record_fd);
	tl_record_free(visit->record);
	free(visit->key_line);
	free(visit->login_key);
	free(visit);
	front->visits--;
	tl_front_settle(front);
}

static void ref(struct tl_visit *visit)
{
	__atomic_add_fetch(&visit->refs, 1, __ATOMIC_SEQ_CST);
}

static void unref(struct tl_visit *visit)
{
	if (__atomic_sub_fetch(&visit->refs, 1, __ATOMIC_SEQ_CST) == 0)
		visit_free(visit);
}

/* ---- the end ---------------------------------------------------------------------------------- */

static void work_end(void *worker, void *arg, struct tl_err *err)
{
	struct tl_visit *visit = arg;
	const struct tl_office *office = &visit->front->office;
	struct tl_session_end end = {.reason = visit->reason,
				     .bytes_in = visit->bytes_in,
				     .bytes_out = visit->bytes_out};
	int rc = TL_ENOENT;

	if (visit->record) {
		rc = tl_record_seal(visit->record, office->authority, err);
		if (rc == 0)
			rc = office->record_seal(worker, visit->session, err);
		tl_record_free(visit->record);
		visit->record = NULL;
		end.has_recording = rc == 0;
	}
	rc = office->ended(worker, visit->session, &end, err);
	(void)rc; /* the sentence is in err, logged when done */
}

static void on_end_done(void *arg)
{
	struct tl_visit *visit = arg;

	if (visit->end_err.code != 0)
		tl_log_error("the end of a session was not written down properly",
			     TL_S("session", visit->session), TL_ERR(&visit->end_err));
	unref(visit);
}

/* Once no other job works on the visit. Consumes the owner's reference. */
static void write_end(struct tl_visit *visit)
{
	if (visit->requested && !visit->answered)
		(void)tl_broker_cancel(visit->front->office.broker, visit->session);
	if (visit->running)
		tl_broker_ended(visit->front->office.broker, visit->session);
	if (visit->requested)
		tl_front_job(visit->front, work_end, on_end_done, visit, &visit->end_err);
	else
		unref(visit);
}

void tl_visit_end(struct tl_visit *visit, const char *reason, uint64_t bytes_in, uint64_t bytes_out)
{
	if (!visit || visit->ended)
		return;
	visit->ended = true;
	visit->events = NULL;
	snprintf(visit->reason, sizeof(visit->reason), "%s", reason);
	visit->bytes_in = bytes_in;
	visit->bytes_out = bytes_out;
	if (!visit->busy)
		write_end(visit);
}

static void refuse(struct tl_visit *visit, const char *sentence)
{
	const struct tl_visit_events *events = visit->events;
	char text[TL_ERR_TEXT_MAX];

	if (!events)
		return;
	snprintf(text, sizeof(text), "%s", sentence);
	ref(visit);
	tl_visit_end(visit, text, 0, 0);
	events->refused(visit->arg, text);
	unref(visit);
}

/* ---- it runs ---------------------------------------------------------------------------------- */

struct news {
	struct tl_letter letter;
	struct tl_visit *visit;
	int fd;
	char sentence[256];
};

static void read_stop(struct tl_letter *letter)
{
	struct news *news = (struct news *)letter;

	if (news->visit->events)
		news->visit->events->stopped(news->visit->arg, news->sentence);
	unref(news->visit);
	free(news);
}

static struct news *news_new(struct tl_visit *visit, const char *sentence)
{
	struct news *news = calloc(1, sizeof(*news));

	if (!news)
		return NULL;
	news->visit = visit;
	news->fd = -1;
	snprintf(news->sentence, sizeof(news->sentence), "%s", sentence ? sentence : "");
	return news;
}

/* Any thread. The reference was taken beforehand, for the time the broker knows of us. */
static void on_stop(void *arg, const char *why)
{
	struct tl_visit *visit = arg;
	struct news *news = news_new(visit, why);

	if (!news)
		return;
	news->letter.read = read_stop;
	ref(visit);
	tl_front_post(visit->front, &news->letter);
}

/* ---- another one's keyboard ------------------------------------------------------------------- */

struct typed {
	struct tl_letter letter;
	struct tl_visit *visit;
	char who[65]; /* "": bytes, or the engineer again */
	size_t len;   /* 0: somebody else types from now on */
	char bytes[];
};

static void read_typed(struct tl_letter *letter)
{
	struct typed *typed = (struct typed *)letter;
	struct tl_visit *visit = typed->visit;

	__atomic_sub_fetch(&visit->typed_bytes, typed->len, __ATOMIC_SEQ_CST);
	if (visit->events && typed->len > 0)
		visit->events->typed(visit->arg, typed->bytes, typed->len);
	else if (visit->events)
		visit->events->typist(visit->arg, typed->who[0] ? typed->who : NULL);
	tl_wipe(typed->bytes, typed->len);
	free(typed);
	unref(visit);
}

/* Any thread. */
static int post_typed(struct tl_visit *visit, const char *who, const void *bytes, size_t len)
{
	struct typed *typed = calloc(1, sizeof(*typed) + len);

	if (!typed)
		return TL_EBUSY;
	if (__atomic_add_fetch(&visit->typed_bytes, len, __ATOMIC_SEQ_CST) > TL_FRONT_TYPED_MAX) {
		__atomic_sub_fetch(&visit->typed_bytes, len, __ATOMIC_SEQ_CST);
		free(typed);
		return TL_EBUSY;
	}
	typed->letter.read = read_typed;
	typed->visit = visit;
	typed->len = len;
	snprintf(typed->who, sizeof(typed->who), "%s", who ? who : "");
	if (len > 0)
		memcpy(typed->bytes, bytes, len);
	ref(visit);
	tl_front_post(visit->front, &typed->letter);
	return 0;
}

static void on_typist(void *arg, const char *who)
{
	(void)post_typed(arg, who, NULL, 0);
}

static int on_typed(void *arg, const void *bytes, size_t len)
{
	return len > 0 ? post_typed(arg, NULL, bytes, len) : 0;
}

static const struct tl_broker_keyboard keyboard = {.type = on_typist, .input = on_typed};

/* ---- it opens --------------------------------------------------------------------------------- */

static void on_recorded(void *arg, const char *line, size_t len)
{
	const struct tl_visit *visit = arg;
	const struct tl_office *office = &visit->front->office;

	(void)line;
	(void)len;
	if (office->grew)
		office->grew(office->arg, visit->session);
}

static int begin_record(struct tl_visit *visit, struct tl_err *err)
{
	struct tl_record_header header = {
		.session = visit->session,
		.ticket = visit->target.ticket,
		.host = visit->target.host_name,
		.engineer = visit->engineer.login,
		.lane = tl_lane_name(visit->lane),
		.recorder = "relay",
	};

	if (visit->lane != TL_LANE_BASTION)
		return 0;
	return tl_record_new(tl_steal_fd(&visit->record_fd), &header, TL_FRONT_RECORD_RESERVE,
			     visit->front->office.clock, &visit->record, err);
}

static void work_open(void *worker, void *arg, struct tl_err *err)
{
	struct tl_visit *visit = arg;
	const struct tl_office *office = &visit->front->office;
	int rc = office->opened(worker, visit->session, err);

	if (rc == 0 && visit->lane == TL_LANE_BASTION)
		rc = office->record_open(worker, visit->session, &visit->record_fd, err);
	if (rc == 0)
		rc = begin_record(visit, err);
	if (rc != 0)
		tl_err_prefix(err, "the session cannot begin");
}

static void on_open_done(void *arg)
{
	struct tl_visit *visit = arg;

	visit->busy = false;
	if (visit->ended) {
		write_end(visit);
	} else if (visit->err.code != 0) {
		refuse(visit, tl_err_text(&visit->err));
	} else if (tl_broker_running(visit->front->office.broker, visit->session, on_stop, visit,
				     &visit->err) != 0) {
		refuse(visit, tl_err_text(&visit->err));
	} else {
		visit->running = true;
		if (visit->record) {
			tl_record_set_tap(visit->record, on_recorded, visit);
			tl_broker_set_keyboard(visit->front->office.broker, visit->session,
					       &keyboard);
		}
		visit->events->opened(visit->arg, tl_steal_fd(&visit->fd), visit->record);
	}
	unref(visit);
}

/* ---- the request ------------------------------------------------------------------------------ */

static void read_result(struct tl_letter *letter)
{
	struct news *news = (struct news *)letter;
	struct tl_visit *visit = news->visit;

	visit->answered = true;
	if (visit->ended) {
		if (news->fd >= 0)
			close(news->fd);
		unref(visit);
	} else if (news->fd < 0) {
		refuse(visit, news->sentence);
		unref(visit);
	} else {
		visit->fd = news->fd;
		visit->busy = true;
		tl_front_job(visit->front, work_open, on_open_done, visit, &visit->err);
	}
	free(news);
}

/* Any thread. */
static void on_result(void *arg, int fd, const char *refusal)
{
	struct tl_visit *visit = arg;
	struct news *news = news_new(visit, refusal ? refusal : "the session was refused");

	if (!news) {
		if (fd >= 0)
			close(fd);
		return;
	}
	news->fd = fd;
	news->letter.read = read_result;
	ref(visit);
	tl_front_post(visit->front, &news->letter);
}

/* Bastion: the key that the relay made for this session alone. End-to-end: every key of the engineer, the
 * one that logged in first, since the client may offer the endpoint another one than the relay. */
static int gather_keys(void *worker, const struct tl_visit *visit, struct tl_strv *keys,
		       struct tl_err *err)
{
	if (tl_strv_push(keys, visit->key_line) != 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	if (visit->lane == TL_LANE_BASTION)
		return 0;
	return visit->front->office.keys(worker, visit->engineer.id, keys, err);
}

/* What the engineer asked for already, signed perhaps; TL_ENOENT: nothing. */
static int claim(void *worker, struct tl_visit *visit, struct tl_err *err)
{
	const struct tl_session_claim claim = {.engineer = &visit->engineer,
					       .target = visit->target_text,
					       .lane = visit->lane,
					       .key_line = visit->key_line};

	return visit->front->office.claim(worker, &claim, visit->session, &visit->target, err);
}

/* The connection may be older than what was taken away from the engineer since. */
static int still_known(void *worker, const struct tl_visit *visit, struct tl_err *err)
{
	struct tl_engineer engineer;

	if (!visit->login_key)
		return 0;
	return visit->front->office.engineer(worker, visit->login_key, &engineer, err);
}

static void work_request(void *worker, void *arg, struct tl_err *err)
{
	struct tl_visit *visit = arg;
	const struct tl_office *office = &visit->front->office;
	tl_auto(tl_strv) struct tl_strv keys = TL_STRV_INIT;
	struct tl_session_ask ask = {
		.engineer = &visit->engineer,
		.target = &visit->target,
		.lane = visit->lane,
		.scopes = visit->scopes,
		.address = visit->address,
	};
	int rc = still_known(worker, visit, err);

	if (rc == 0)
		rc = claim(worker, visit, err);
	visit->granted = rc == 0;
	if (rc != TL_ENOENT)
		return;
	*err = (struct tl_err)TL_ERR_INIT;
	rc = office->resolve(worker, visit->target_text, &visit->target, err);
	if (rc == 0)
		rc = gather_keys(worker, visit, &keys, err);
	ask.keys = (const char *const *)keys.items;
	if (rc == 0)
		rc = office->request(worker, &ask, visit->session, err);
	visit->granted = rc == 0;
}

static void on_request_done(void *arg)
{
	struct tl_visit *visit = arg;

	visit->busy = false;
	visit->requested = visit->granted;
	if (visit->ended) {
		write_end(visit);
	} else if (!visit->requested) {
		refuse(visit, tl_err_text(&visit->err));
	} else {
		visit->events->asked(visit->arg, &visit->target);
		if (!visit->ended && tl_broker_wait(visit->front->office.broker, visit->session,
						    on_result, visit, &visit->err) != 0)
			refuse(visit, tl_err_text(&visit->err));
	}
	unref(visit);
}

struct tl_visit *tl_visit_new(struct tl_ssh_front *front, const struct tl_visit_ask *ask)
{
	tl_free struct tl_visit *visit = calloc(1, sizeof(*visit));

	if (!visit)
		return NULL;
	visit->key_line = strdup(ask->key_line);
	visit->login_key = ask->login_key ? strdup(ask->login_key) : NULL;
	if (!visit->key_line || (ask->login_key && !visit->login_key)) {
		free(visit->key_line);
		free(visit->login_key);
		return NULL;
	}
	visit->front = front;
	visit->refs = 2; /* the owner's and the job's */
	visit->busy = true;
	visit->events = ask->events;
	visit->arg = ask->arg;
	visit->engineer = *ask->engineer;
	visit->lane = ask->lane;
	visit->scopes = ask->scopes;
	visit->fd = visit->record_fd = -1;
	snprintf(visit->target_text, sizeof(visit->target_text), "%s", ask->target);
	snprintf(visit->address, sizeof(visit->address), "%s", ask->address);
	front->visits++;
	tl_front_job(front, work_request, on_request_done, visit, &visit->err);
	return tl_steal(&visit);
}

const struct tl_session_target *tl_visit_target(const struct tl_visit *visit)
{
	return &visit->target;
}

const char *tl_visit_session(const struct tl_visit *visit)
{
	return visit->session;
}
