/* The SSH server side that relay and endpoint share: public-key login, session channels with their
 * requests, forwarded channels. What a channel is connected to is the owner's affair. Requests that
 * nobody serves are refused and reported by `refused`. Loop thread only; handlers run in turns of the
 * link (ssh/link.h) and may call anything here. */
#ifndef TOWLINE_SSH_SERVER_H
#define TOWLINE_SSH_SERVER_H

#include <towline/json.h>

#include "ssh/link.h"
#include "ssh/stream.h"

#define TL_SSH_LOGIN_GRACE_MS 30000
#define TL_SSH_LOGIN_TRIES 6 /* MaxAuthTries of OpenSSH */
#define TL_SSH_CODE_MAX 64
#define TL_SSH_CHANNELS_MAX 32
#define TL_SSH_ENV_MAX 32
#define TL_SSH_COMMAND_MAX 32768
#define TL_SSH_COMMAND_MAX_TEXT "32768"
#define TL_SSH_HOST_MAX 255   /* bytes of a host or address that a forwarding names */
#define TL_SSH_LISTENS_MAX 32 /* requests to listen that wait for an answer */

struct tl_ssh_server;

enum tl_ssh_program { TL_SSH_NONE, TL_SSH_SHELL, TL_SSH_EXEC, TL_SSH_SUBSYSTEM };
const char *tl_ssh_program_name(enum tl_ssh_program program); /* "shell", "exec", "subsystem" */

/* What a forwarded channel connects. Places as the client says them. */
enum tl_ssh_route_kind {
	TL_SSH_DIRECT,	  /* direct-tcpip: from the client to `to` */
	TL_SSH_FORWARDED, /* forwarded-tcpip: to the client, from a connection that came in at `to` */
	TL_SSH_AGENT	  /* auth-agent@openssh.com: to the client's ssh-agent */
};
struct tl_ssh_place {
	char host[TL_SSH_HOST_MAX + 1];
	unsigned port;
};
#define TL_SSH_PLACE_TEXT (TL_SSH_HOST_MAX + 16)
/* "host:port", with brackets around an IPv6 address; NULL for no host. Returns `text`. */
const char *tl_ssh_place_text(const struct tl_ssh_place *place,
			      char text[static TL_SSH_PLACE_TEXT]);
struct tl_ssh_route {
	enum tl_ssh_route_kind kind;
	struct tl_ssh_place to, from;
};
const char *tl_ssh_route_name(enum tl_ssh_route_kind kind); /* "direct-tcpip", … */

/* A request to listen (tcpip-forward) or to stop it; answered in order. */
struct tl_ssh_listen {
	struct tl_ssh_server *server;
	struct tl_ssh_listen *next;
	bool cancel;
	struct tl_ssh_place at;
	ssh_message request; /* until it is answered */
	bool asked;
	void *data; /* the owner's */
};

struct tl_ssh_server_channel {
	struct tl_ssh_server *server; /* NULL: a channel that no SSH connection carries */
	struct tl_ssh_server_channel *next;
	unsigned number; /* from 1, in order of opening */
	struct tl_ssh_stream stream;
	bool forward; /* no program: `route` says what it connects */
	struct tl_ssh_route route;
	ssh_message open; /* the request for it, until it is answered */
	bool opening;	  /* asked of the client, which has not answered */
	bool over;	  /* refused: freed in the next turn */
	bool drains;	  /* stays after the client has closed, until the owner clears this */
	bool wants_agent, wants_x11;
	bool has_pty;
	char term[64];
	unsigned columns, rows; /* of the pty; 0: the client does not know */
	json_t *env;		/* object: the allowed ones of what the client sent */
	enum tl_ssh_program program;
	char *command;	   /* of exec; name of a subsystem */
	ssh_message start; /* the request for the program, until it is answered */
	bool granted;	   /* it was, and the program runs */
	char signals[4][16];
	size_t signal_count;
	bool resized;
	bool unread; /* the client reads no more output (eow@openssh.com) */
	void *data;  /* the owner's */
};

/* A recording has a size for every terminal (asciicast wants one), and none without. */
static inline unsigned tl_ssh_recorded_columns(const struct tl_ssh_server_channel *channel)
{
	if (!channel->has_pty)
		return 0;
	return channel->columns ? channel->columns : 80;
}

static inline unsigned tl_ssh_recorded_rows(const struct tl_ssh_server_channel *channel)
{
	if (!channel->has_pty)
		return 0;
	return channel->rows ? channel->rows : 24;
}

enum tl_ssh_verdict {
	TL_SSH_REFUSED = false,
	TL_SSH_WELCOME = true,
	TL_SSH_HALFWAY, /* of a key alone: a code is asked for, too */
};

enum tl_ssh_answer { TL_SSH_REFUSE, TL_SSH_ACCEPT, TL_SSH_LATER };

struct tl_ssh_server_handlers {
	/* Is this public key (base64 of its blob) welcome? Answer with tl_ssh_server_verdict. The
	 * blob may be a certificate's, of which only the possession of its key was checked. */
	void (*key)(void *arg, const char *user, const char *key_text);
	/* Is this the code of whoever proved the key? Only after TL_SSH_HALFWAY; answer likewise. */
	void (*code)(void *arg, const char *code);
	void (*login)(void *arg);
	/* A program is asked for; answer with tl_ssh_channel_answer. */
	void (*start)(void *arg, struct tl_ssh_server_channel *channel);
	/* A connection to channel->route.to is asked for. TL_SSH_LATER: tl_ssh_channel_accept or _refuse
	 * follows. NULL refuses all. */
	enum tl_ssh_answer (*forward)(void *arg, struct tl_ssh_server_channel *channel);
	/* The client wants the server to listen, or no more; answer with tl_ssh_listen_answer. NULL refuses
	 * all. */
	void (*listen)(void *arg, struct tl_ssh_listen *listen);
	/* The client's answer to tl_ssh_server_open; refused, the channel is `gone` next. */
	void (*opened)(void *arg, struct tl_ssh_server_channel *channel, bool accepted);
	void (*resize)(void *arg, struct tl_ssh_server_channel *channel);
	void (*signal)(void *arg, struct tl_ssh_server_channel *channel, const char *name);
	/* Something was refused: one sentence for log and recording. `channel` may be NULL. */
	void (*refused)(void *arg, struct tl_ssh_server_channel *channel, const char *sentence);
	/* Moves bytes between channel->stream and what stands behind it; true when any moved. */
	bool (*pump)(void *arg, struct tl_ssh_server_channel *channel);
	/* The channel is over; it is freed afterwards. */
	void (*gone)(void *arg, struct tl_ssh_server_channel *channel);
	/* The connection is over (each channel is `gone` first); free the server. */
	void (*closed)(void *arg, const char *reason);
};

/* Serves `fd` (taken over, also on failure; a connected stream). */
TL_MUST_CHECK int tl_ssh_server_new(uv_loop_t *loop, int fd, const struct tl_key *host_key,
				    const struct tl_ssh_server_handlers *handlers, void *arg,
				    struct tl_ssh_server **ret_server, struct tl_err *err);
/* Ends the connection unless somebody logs in within `ms` from now; TL_SSH_LOGIN_GRACE_MS at first. */
void tl_ssh_server_grace(struct tl_ssh_server *server, int64_t ms);
void *tl_ssh_server_arg(const struct tl_ssh_server *server); /* of the handlers */
struct tl_ssh_link *tl_ssh_server_link(const struct tl_ssh_server *server);
struct tl_ssh_server_channel *tl_ssh_server_channels(const struct tl_ssh_server *server);

void tl_ssh_server_verdict(struct tl_ssh_server *server, enum tl_ssh_verdict verdict);
/* True once a key was proven, whether or not that is enough. */
bool tl_ssh_server_is_known(const struct tl_ssh_server *server);
/* Answers the request for the program. Refused: `sentence` goes to stderr and the channel ends. */
void tl_ssh_channel_answer(struct tl_ssh_server_channel *channel, bool granted,
			   const char *sentence);
/* One line on the channel's stderr (a pty: with CR), cut to what fits. */
void tl_ssh_channel_say(struct tl_ssh_server_channel *channel, const char *sentence);

/* Answers the request for a forwarded channel. A client hears no reason for a refusal (see
 * docs/internals/ssh.md): `sentence` goes to its debug output and to the first program that has a stderr. */
bool tl_ssh_channel_accept(struct tl_ssh_server_channel *channel);
void tl_ssh_channel_refuse(struct tl_ssh_server_channel *channel, const char *sentence);
/* The same words for a channel that is refused at once. */
void tl_ssh_server_explain(struct tl_ssh_server *server, const char *sentence);
/* Opens a channel to the client, as `route` says. TL_EBUSY when too many are open. */
TL_MUST_CHECK int tl_ssh_server_open(struct tl_ssh_server *server, const struct tl_ssh_route *route,
				     void *data, struct tl_ssh_server_channel **ret_channel,
				     struct tl_err *err);
/* `port`: where it listens, for a client that let the server choose. Frees `listen`. */
void tl_ssh_listen_answer(struct tl_ssh_listen *listen, bool granted, unsigned port);

void tl_ssh_server_close(struct tl_ssh_server *server, const char *reason);
void tl_ssh_server_free(struct tl_ssh_server *server);

#endif
