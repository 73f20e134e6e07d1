#include "desk/broker.h"

#include <pthread.h>
#include <stdio.h>
#include <towline/clock.h>
#include <towline/id.h>
#include <towline/str.h>

enum seat_kind { EXPECTED, WAITING, RUNNING };

/* Somebody's place at the broker: a session whose engineer is about to wait, an engineer's connection
 * that waits for the endpoint, or a session that runs and can be told to stop. A seat whose callback runs is `busy`: withdrawing waits for it,
 * so that no callback finds its object freed. */
struct seat {
	char session[TL_ID_LEN + 1];
	enum seat_kind kind;
	tl_broker_result *on_result;		   /* WAITING */
	tl_broker_stop *on_stop;		   /* RUNNING */
	const struct tl_broker_keyboard *keyboard; /* RUNNING; may be NULL */
	void *arg;
	int64_t since_ms;
	bool decided;  /* EXPECTED: the outcome came before the engineer; */
	int fd;	       /* the endpoint's stream, or -1 and */
	char *refusal; /* why not */
	bool busy, gone;
	pthread_t caller;
	struct seat *next;
};

struct tl_broker {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct seat *seats;
};

struct tl_broker *tl_broker_new(void)
{
	struct tl_broker *broker = calloc(1, sizeof *broker);

	if (!broker)
		return NULL;
	pthread_mutex_init(&broker->lock, NULL);
	pthread_cond_init(&broker->idle, NULL);
	return broker;
}

static struct seat *find(struct tl_broker *broker, const char *session, enum seat_kind kind)
{
	struct seat *seat;

	for (seat = broker->seats; seat; seat = seat->next)
		if (tl_streq(seat->session, session) && seat->kind == kind && !seat->gone)
			return seat;
	return NULL;
}

static void drop(struct tl_broker *broker, struct seat *seat)
{
	struct seat **link = &broker->seats;

	while (*link != seat)
		link = &(*link)->next;
	*link = seat->next;
	if (seat->fd >= 0)
		close(seat->fd);
	free(seat->refusal);
	free(seat);
	pthread_cond_broadcast(&broker->idle);
}

void tl_broker_free(struct tl_broker *broker)
{
	if (!broker)
		return;
	while (broker->seats)
		drop(broker, broker->seats);
	pthread_cond_destroy(&broker->idle);
	pthread_mutex_destroy(&broker->lock);
	free(broker);
}

static int add_seat(struct tl_broker *broker, const char *session, const struct seat *wanted,
		    struct tl_err *err)
{
	struct seat *seat;

	if (!tl_id_is_valid(session))
		return tl_err_set(err, TL_EINVAL, "a session is named by its id");
	if (find(broker, session, wanted->kind))
		return tl_err_set(err, TL_EEXIST, "session %s is served already", session);
	if (!(seat = malloc(sizeof *seat)))
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	*seat = *wanted;
	snprintf(seat->session, sizeof seat->session, "%s", session);
	seat->fd = -1;
	seat->since_ms = tl_clock_mono_ms(tl_clock_system());
	seat->next = broker->seats;
	broker->seats = seat;
	return 0;
}

static void drop_oldest_expected(struct tl_broker *broker)
{
	struct seat *seat, *oldest = NULL; /* new seats come first */
	size_t count = 0;

	for (seat = broker->seats; seat; seat = seat->next)
		if (seat->kind == EXPECTED) {
			oldest = seat;
			count++;
		}
	if (count > TL_BROKER_EXPECTED)
		drop(broker, oldest);
}

void tl_broker_expect(struct tl_broker *broker, const char *session)
{
	const struct seat seat = {.kind = EXPECTED};

	pthread_mutex_lock(&broker->lock);
	/* Without memory the session merely has no head start. */
	if (add_seat(broker, session, &seat, NULL) == 0)
		drop_oldest_expected(broker);
	pthread_mutex_unlock(&broker->lock);
}

void tl_broker_forget(struct tl_broker *broker, const char *session)
{
	struct seat *seat;

	pthread_mutex_lock(&broker->lock);
	seat = find(broker, session, EXPECTED);
	if (seat)
		drop(broker, seat);
	pthread_mutex_unlock(&broker->lock);
}

int tl_broker_wait(struct tl_broker *broker, const char *session, tl_broker_result *on_result,
		   void *arg, struct tl_err *err)
{
	const struct seat waiter = {.kind = WAITING, .on_result = on_result, .arg = arg};
	struct seat *expected;
	tl_free char *refusal = NULL;
	bool decided = false;
	int fd = -1, r = 0;

	pthread_mutex_lock(&broker->lock);
	expected = find(broker, session, EXPECTED);
	if (expected) {
		decided = expected->decided;
		fd = tl_steal_fd(&expected->fd);
		refusal = tl_steal(&expected->refusal);
		drop(broker, expected);
	}
	if (!decided)
		r = add_seat(broker, session, &waiter, err);
	pthread_mutex_unlock(&broker->lock);
	if (decided)
		on_result(arg, fd, fd < 0 && !refusal ? "the session was refused" : refusal);
	return r;
}

int tl_broker_running(struct tl_broker *broker, const char *session, tl_broker_stop *on_stop,
		      void *arg, struct tl_err *err)
{
	const struct seat seat = {.kind = RUNNING, .on_stop = on_stop, .arg = arg};
	int r;

	pthread_mutex_lock(&broker->lock);
	r = add_seat(broker, session, &seat, err);
	pthread_mutex_unlock(&broker->lock);
	return r;
}

/* Waits until nobody is inside the callback of `session`, unless that is this very thread. */
static struct seat *find_idle(struct tl_broker *broker, const char *session, enum seat_kind kind)
{
	struct seat *seat;

	while ((seat = find(broker, session, kind)) && seat->busy &&
	       !pthread_equal(seat->caller, pthread_self()))
		pthread_cond_wait(&broker->idle, &broker->lock);
	return seat;
}

bool tl_broker_cancel(struct tl_broker *broker, const char *session)
{
	struct seat *seat;
	bool withdrawn;

	pthread_mutex_lock(&broker->lock);
	seat = find_idle(broker, session, WAITING);
	withdrawn = seat && !seat->busy;
	if (withdrawn)
		drop(broker, seat);
	else if (!seat && (seat = find(broker, session, EXPECTED)))
		drop(broker, seat);
	pthread_mutex_unlock(&broker->lock);
	return withdrawn;
}

/* The engineer is about to wait: keeps the outcome for the moment. The lock is held. */
static bool keep_outcome(struct tl_broker *broker, const char *session, int fd, const char *refusal)
{
	struct seat *seat = find(broker, session, EXPECTED);

	if (!seat || seat->decided)
		return false;
	seat->decided = true;
	seat->fd = fd;
	seat->refusal = refusal ? strdup(refusal) : NULL;
	return true;
}

/* Calls the waiter with one outcome and gives up its seat. False when nobody waits. */
static bool end_wait(struct tl_broker *broker, const char *session, int fd, const char *refusal)
{
	struct seat *seat;

	pthread_mutex_lock(&broker->lock);
	seat = find(broker, session, WAITING);
	if (!seat || seat->busy) {
		bool kept = !seat && keep_outcome(broker, session, fd, refusal);

		pthread_mutex_unlock(&broker->lock);
		return kept;
	}
	seat->busy = true;
	seat->caller = pthread_self();
	pthread_mutex_unlock(&broker->lock);

	seat->on_result(seat->arg, fd, refusal);

	pthread_mutex_lock(&broker->lock);
	drop(broker, seat);
	pthread_mutex_unlock(&broker->lock);
	return true;
}

int tl_broker_deliver(struct tl_broker *broker, const char *session, int fd, struct tl_err *err)
{
	if (end_wait(broker, session, fd, NULL))
		return 0;
	return tl_err_set(err, TL_ENOENT, "no engineer waits for session %s any more", session);
}

void tl_broker_refuse(struct tl_broker *broker, const char *session, const char *sentence)
{
	end_wait(broker, session, -1, sentence);
}

/* False when no wait is that old. */
static bool find_expired(struct tl_broker *broker, int64_t began_before_ms,
			 char session[static TL_ID_LEN + 1])
{
	struct seat *seat;

	pthread_mutex_lock(&broker->lock);
	for (seat = broker->seats; seat; seat = seat->next)
		if (seat->kind == WAITING && !seat->busy && seat->since_ms < began_before_ms)
			break;
	if (seat)
		snprintf(session, TL_ID_LEN + 1, "%s", seat->session);
	pthread_mutex_unlock(&broker->lock);
	return seat != NULL;
}

void tl_broker_expire(struct tl_broker *broker, int64_t began_before_ms, const char *sentence)
{
	char session[TL_ID_LEN + 1];

	while (find_expired(broker, began_before_ms, session))
		tl_broker_refuse(broker, session, sentence);
}

void tl_broker_ended(struct tl_broker *broker, const char *session)
{
	struct seat *seat;

	pthread_mutex_lock(&broker->lock);
	seat = find_idle(broker, session, RUNNING);
	if (seat && seat->busy)
		seat->gone = true; /* called from its own on_stop, which drops it */
	else if (seat)
		drop(broker, seat);
	pthread_mutex_unlock(&broker->lock);
}

void tl_broker_set_keyboard(struct tl_broker *broker, const char *session,
			    const struct tl_broker_keyboard *keyboard)
{
	struct seat *seat;

	pthread_mutex_lock(&broker->lock);
	seat = find(broker, session, RUNNING);
	if (seat)
		seat->keyboard = keyboard;
	pthread_mutex_unlock(&broker->lock);
}

/* The seat of a running session, busy until leave_running; NULL when there is none. *ret_code: why. Called
 * from the seat's own callback: 0. */
static struct seat *enter_running(struct tl_broker *broker, const char *session, int *ret_code)
{
	struct seat *seat;

	pthread_mutex_lock(&broker->lock);
	seat = find_idle(broker, session, RUNNING);
	*ret_code = seat ? 0 : TL_ENOENT;
	if (seat && seat->busy)
		seat = NULL;
	if (seat) {
		seat->busy = true;
		seat->caller = pthread_self();
	}
	pthread_mutex_unlock(&broker->lock);
	return seat;
}

static void leave_running(struct tl_broker *broker, struct seat *seat)
{
	pthread_mutex_lock(&broker->lock);
	seat->busy = false;
	if (seat->gone)
		drop(broker, seat);
	pthread_cond_broadcast(&broker->idle);
	pthread_mutex_unlock(&broker->lock);
}

int tl_broker_stop_session(struct tl_broker *broker, const char *session, const char *why)
{
	int code;
	struct seat *seat = enter_running(broker, session, &code);

	if (!seat)
		return code;
	seat->on_stop(seat->arg, why);
	leave_running(broker, seat);
	return 0;
}

int tl_broker_input(struct tl_broker *broker, const char *session, const void *bytes, size_t len)
{
	int code;
	struct seat *seat = enter_running(broker, session, &code);

	if (!seat)
		return code ? code : TL_EBUSY;
	code = seat->keyboard ? seat->keyboard->input(seat->arg, bytes, len) : TL_ENOENT;
	leave_running(broker, seat);
	return code;
}

int tl_broker_type(struct tl_broker *broker, const char *session, const char *who)
{
	int code;
	struct seat *seat = enter_running(broker, session, &code);

	if (!seat)
		return code ? code : TL_EBUSY;
	if (seat->keyboard)
		seat->keyboard->type(seat->arg, who);
	code = seat->keyboard ? 0 : TL_ENOENT;
	leave_running(broker, seat);
	return code;
}
