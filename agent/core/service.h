/* A local service: a listening socket, its connections, and the table of verbs it answers.
 *
 * Who may ask what is in the table, and checked before a handler runs: which door (socket) the request
 * came through, in which state the program is, how large the request is. Requests are
 * {"id","verb","args"} (include/towline/ipc.h). Loop thread only. */
#ifndef TOWLINE_AGENT_SERVICE_H
#define TOWLINE_AGENT_SERVICE_H

#include <stdbool.h>
#include <towline/ipc.h>
#include <uv.h>

#define TL_SERVICE_CONNECTIONS_MAX 256
#define TL_SERVICE_CONNECTIONS_OF_USER_MAX 16 /* nobody shuts the door on the others */
#define TL_SERVICE_ASKS_MAX 64		      /* unanswered requests of one connection */

struct tl_service;

/* One connection. `data` is the application's. */
struct tl_conn {
	struct tl_service *service;
	struct tl_ipc_peer peer;
	void *data;
	bool marked; /* the application's, by on_new */
	struct tl_channel *channel;
	struct tl_conn *next;
	unsigned asks;
};

/* One request, until it is answered. */
struct tl_ask {
	struct tl_conn *conn; /* NULL once the peer has gone: the answer is then dropped */
	struct tl_ipc_peer peer;
	unsigned door;
	const json_t *args;	       /* an object */
	struct tl_ipc_message message; /* take descriptors by setting them to -1 */
	json_int_t id;
	struct tl_ask *next;
};

struct tl_verb {
	const char *name; /* the table is sorted by it */
	unsigned doors;	  /* bits: through which sockets it may come */
	unsigned states;  /* bits: in which states of the program it is answered */
	size_t max_bytes; /* of the request */
	size_t fds_min, fds_max;
	/* Answers with tl_ask_reply, at once or later; or returns a TL_E* with the sentence, whereupon
	 * the dispatcher answers (the handler has then not kept `ask`). */
	int (*run)(void *app, struct tl_ask *ask, struct tl_err *err);
};

/* The row of `name`, or why it is refused: unknown (TL_EUNSUPPORTED), wrong door (TL_EACCES), wrong
 * state (TL_EBUSY), too large (TL_ETOOBIG), wrong number of descriptors (TL_EINVAL). */
TL_MUST_CHECK int tl_verb_find(const struct tl_verb *verbs, size_t count, const char *name,
			       unsigned door, unsigned state, size_t bytes, size_t fds,
			       const struct tl_verb **ret_verb, struct tl_err *err);

struct tl_service_options {
	uv_loop_t *loop;
	const char *path;
	mode_t mode;
	unsigned door; /* one bit */
	const struct tl_verb *verbs;
	size_t verb_count;
	void *app;
	/* May the peer connect at all? NULL: everybody. */
	bool (*admit)(void *app, const struct tl_ipc_peer *peer);
	/* A connection that was admitted, before anything is read from it. NULL is allowed. */
	void (*on_new)(void *app, struct tl_conn *conn);
	/* The program's state, one bit. NULL: 1. */
	unsigned (*state)(void *app);
	/* The peer has gone; its pending asks are detached already. NULL is allowed. */
	void (*on_gone)(void *app, struct tl_conn *conn);
};

TL_MUST_CHECK int tl_service_new(const struct tl_service_options *options,
				 struct tl_service **ret_service, struct tl_err *err);

/* Answer and free the request. `result` is stolen (NULL: {}), descriptors are borrowed. */
void tl_ask_reply(struct tl_ask *ask, json_t *result, const int *fds, size_t fd_count);
void tl_ask_fail(struct tl_ask *ask, int code, const char *text);

/* An event to one connection, or to all; `args` is borrowed. */
void tl_conn_tell(struct tl_conn *conn, const char *event, const json_t *args);
void tl_service_tell(struct tl_service *service, const char *event, const json_t *args,
		     bool (*wants)(const struct tl_conn *conn));

/* Stops listening, removes the socket file, cuts the connections (on_gone is called). Pending asks
 * may still be answered, to nobody. Frees once its handles are closed. */
void tl_service_close(struct tl_service *service);

#endif
