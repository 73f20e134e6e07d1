/* The rooms behind the front door: door.c (who may stand at it), jobs.c (work that needs the store), visit.c (a session from request
 * to end), guest.c (an engineer's connection), bastion.c and pipe.c (the two lanes), front.c (life).
 * Everything here runs on the front's loop unless it says otherwise. */
#ifndef TOWLINE_SERVER_SSH_FRONT_PRIVATE_H
#define TOWLINE_SERVER_SSH_FRONT_PRIVATE_H

#include <pthread.h>
#include <towline/record.h>
#include <uv.h>

#include "desk/terminals.h"
#include "ssh/front.h"
#include "ssh/office.h"
#include "ssh/server.h"

#define TL_FRONT_WORKERS_MAX 8
#define TL_FRONT_RECORD_RESERVE (4 * 1024 * 1024)
#define TL_ADDRESS_TEXT 64
#define TL_DOOR_TEXT 160
#define TL_DOOR_FAILING 2 /* of a network that failed too often, how many may wait */
#define TL_GOODBYE_MAX 2048
#define TL_FRONT_TYPED_MAX (64 * 1024) /* bytes of another one's keyboard under way */

struct tl_guest;

/* Something that another thread wants done on the loop. */
struct tl_letter {
	struct tl_letter *next;
	void (*read)(struct tl_letter *letter);
};

struct tl_ssh_front {
	uv_loop_t loop;
	uv_thread_t thread;
	uv_async_t wake;
	uv_poll_t accept;
	uv_timer_t drain;
	int listen_fd;
	unsigned port;
	struct tl_door_limits limits;
	struct tl_throttle *failures; /* connections without login, by network */
	unsigned refusals;	      /* since they were logged */
	int64_t refusals_told_ms;
	struct tl_office office;
	struct tl_key *own_host_key;
	const struct tl_key *host_key;
	struct tl_guest *guests;
	struct tl_terminal *terminals;
	unsigned guest_count, terminal_count, jobs, visits;
	bool stopping, handles_closed;
	pthread_mutex_t lock; /* of what follows */
	struct tl_letter *letters, **letters_end;
	void *workers[TL_FRONT_WORKERS_MAX];
	unsigned idle_workers;
	int64_t drain_ms; /* > 0: asked to stop */
};

/* ---- front.c ---- */
/* Any thread. */
void tl_front_post(struct tl_ssh_front *front, struct tl_letter *letter);
/* Looks whether a stopping front has nothing left to do. */
void tl_front_settle(struct tl_ssh_front *front);

/* ---- door.c ---- */
/* What counts as one: the address, or the /64 of an IPv6 one. */
void tl_door_network(const char *address, char network[static TL_ADDRESS_TEXT]);
/* False: whoever connected on `fd` was told why not; close it. */
bool tl_door_admit(struct tl_ssh_front *front, int fd, const char *address);
/* Appends a version line and an SSH_MSG_DISCONNECT in the clear (RFC 4253 §11.1): what makes a client
 * that waits for a server print the sentence. */
TL_MUST_CHECK int tl_front_goodbye(const char *sentence, struct tl_buf *out);

/* ---- jobs.c: `work` on a worker thread, then `done` on the loop ---- */
typedef void tl_front_work(void *worker, void *arg, struct tl_err *err);
void tl_front_job(struct tl_ssh_front *front, tl_front_work *work, void (*done)(void *arg),
		  void *arg, struct tl_err *err);
void tl_front_close_workers(struct tl_ssh_front *front);

/* ---- visit.c ---- */
struct tl_visit;
struct tl_visit_events {
	/* The person at the endpoint is being asked. */
	void (*asked)(void *arg, const struct tl_session_target *target);
	/* The endpoint called: `fd` speaks SSH as the server, the receiver closes it. In the bastion lane
	 * with a recording that stays the visit's. */
	void (*opened)(void *arg, int fd, struct tl_record *record);
	/* It will not be, for the reason in the sentence. The visit is over. */
	void (*refused)(void *arg, const char *sentence);
	/* Somebody stopped the session: end it. */
	void (*stopped)(void *arg, const char *why);
	/* `who` types instead of the engineer; NULL: the engineer again. Bastion lane only. */
	void (*typist)(void *arg, const char *who);
	void (*typed)(void *arg, const void *bytes, size_t len);
};
struct tl_visit_ask {
	const struct tl_engineer *engineer;
	const char *target, *address;
	enum tl_lane lane;
	unsigned scopes;
	const char *key_line; /* for the grant */
	const char *
		login_key; /* registered key that logged in, looked at again; NULL: a certificate did */
	const struct tl_visit_events *events;
	void *arg;
};
/* NULL when memory ran out. Events come later, until tl_visit_end. */
struct tl_visit *tl_visit_new(struct tl_ssh_front *front, const struct tl_visit_ask *ask);
const struct tl_session_target *tl_visit_target(const struct tl_visit *visit);
const char *tl_visit_session(const struct tl_visit *visit);
/* Writes down how it ended and frees the visit; no event follows. NULL is fine. */
void tl_visit_end(struct tl_visit *visit, const char *reason, uint64_t bytes_in,
		  uint64_t bytes_out);

/* ---- guest.c ---- */
struct tl_guest {
	struct tl_ssh_front *front;
	struct tl_guest *next;
	struct tl_ssh_server *server;	     /* NULL: without an SSH connection, and then */
	struct tl_ssh_server_channel *local; /* its one channel */
	char address[TL_ADDRESS_TEXT], network[TL_ADDRESS_TEXT];
	int64_t since_ms; /* of the loop */
	char user[256];	  /* as the client said: the target of the bastion lane */
	char *key_text;	  /* the key that logged in; a certificate's plain key */
	char certificate_id[TL_CERTIFICATE_NAME_MAX + 1]; /* "": a registered key */
	bool by_certificate;
	unsigned scopes; /* that it may ask for */
	bool may_jump;	 /* forward at all: to an endpoint, or through one */
	bool names_host; /* `user` is a host or ticket, and connections are made from there */
	bool logged_in, closing;
	struct tl_engineer engineer;
	struct tl_bastion *bastion;   /* NULL until the first program is asked for */
	struct key_job *key_job;      /* a key that is being looked up */
	bool is_noted;		      /* a refusal, on the audit trail */
	struct tl_code_job *code_job; /* a code that is being checked */
};
void tl_guest_new(struct tl_ssh_front *front, int fd, const char *address);
/* ---- code.c: the second step of a login ---- */
void tl_guest_code(void *arg, const char *code);
/* The guest leaves while its code is being checked. NULL is fine. */
void tl_code_job_forget(struct tl_code_job *job);

/* ---- trail.c ---- */
void tl_trail_login(const struct tl_guest *guest);
/* `login` and `certificate` (its key id): as far as they are known, else "". */
void tl_trail_refusal(struct tl_guest *guest, const char *login, const char *certificate,
		      const char *reason);

/* "TYPE BASE64" from the base64 of a wire blob. */
TL_MUST_CHECK int tl_guest_key_line(const char *key_text, struct tl_buf *out);

/* ---- bastion.c: all channels of a guest through one session ---- */
struct tl_bastion;
struct tl_bastion *tl_bastion_new(struct tl_guest *guest);
void tl_bastion_start(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel);
bool tl_bastion_pump(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel);
/* Forwarding through the endpoint, both ways. */
enum tl_ssh_answer tl_bastion_forward(struct tl_bastion *bastion,
				      struct tl_ssh_server_channel *channel);
void tl_bastion_opened(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel,
		       bool accepted);
void tl_bastion_listen(struct tl_bastion *bastion, struct tl_ssh_listen *listen);
void tl_bastion_resize(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel);
void tl_bastion_signal(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel,
		       const char *name);
void tl_bastion_note(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel,
		     const char *sentence);
void tl_bastion_gone(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel);
/* Why the session is over; NULL while it is not. */
const char *tl_bastion_over(const struct tl_bastion *bastion);
void tl_bastion_free(struct tl_bastion *bastion, const char *reason);

/* ---- terminal.c: terminals in a browser, each a guest of its own without an SSH connection ---- */
struct tl_terminal;
/* Begins to take them, and no more (whoever has one is told). */
void tl_terminals_open(struct tl_ssh_front *front);
void tl_terminals_stop_taking(struct tl_ssh_front *front);
void tl_terminals_end(struct tl_ssh_front *front);

/* ---- pipe.c: one forwarded channel to one endpoint ---- */
struct tl_pipe;
struct tl_pipe *tl_pipe_new(struct tl_guest *guest, struct tl_ssh_server_channel *channel,
			    const char *target);
bool tl_pipe_pump(struct tl_pipe *pipe);
void tl_pipe_free(struct tl_pipe *pipe);

#endif
