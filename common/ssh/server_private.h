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
void tl_ssh_request_global(struct tl_ssh_server *server, ssh_message message);

void tl_ssh_server_refuse(struct tl_ssh_server *server, struct tl_ssh_server_channel *channel,
			  const char *sentence);

#endif
