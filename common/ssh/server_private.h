/* What the three parts of the server share: server.c (life), login.c, requests.c. */
#ifndef TOWLINE_SSH_SERVER_PRIVATE_H
#define TOWLINE_SSH_SERVER_PRIVATE_H

#include "ssh/server.h"

struct tl_ssh_server {
	struct tl_ssh_link *link;
	const struct tl_ssh_server_handlers *handlers;
	void *arg;
	struct tl_ssh_server_channel *channels;
	unsigned channel_count, last_number;
	struct tl_ssh_listen *listens; /* in the order of asking */
	unsigned listen_count;
	/* login */
	bool authenticated, banner_sent;
	bool halfway; /* a key was proven, a code is missing: no other key any more */
	unsigned failures, prompts, answers;
	ssh_message asked; /* the key or code that is being decided on */
};

/* login.c: services and authentication. Each returns true when it keeps the message. */
bool tl_ssh_login_service(struct tl_ssh_server *server, ssh_message message);
bool tl_ssh_login_auth(struct tl_ssh_server *server, ssh_message message);

/* requests.c */
bool tl_ssh_request_open(struct tl_ssh_server *server, ssh_message message);
bool tl_ssh_request_channel(struct tl_ssh_server *server, ssh_message message);
struct tl_ssh_server_channel *tl_ssh_channel_new(struct tl_ssh_server *server);
void tl_ssh_channel_discard(struct tl_ssh_server_channel *channel);
void tl_ssh_channel_adopt(struct tl_ssh_server_channel *channel, ssh_channel handle);

/* forwards.c */
enum tl_ssh_answer tl_ssh_forward_ask(struct tl_ssh_server *server,
				      struct tl_ssh_server_channel *channel, ssh_message message);
/* True when anything happened. */
bool tl_ssh_forward_step(struct tl_ssh_server_channel *channel);
/* True when it keeps the message. */
bool tl_ssh_listen_take(struct tl_ssh_server *server, ssh_message message);
bool tl_ssh_listen_step(struct tl_ssh_server *server);
void tl_ssh_listen_forget(struct tl_ssh_server *server);

void tl_ssh_server_refuse(struct tl_ssh_server *server, struct tl_ssh_server_channel *channel,
			  const char *sentence);

#endif
