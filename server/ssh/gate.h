/* The way back in the bastion lane: where the endpoint listens for an engineer, and which channels it may
 * therefore ask for. Loop thread only. */
#ifndef TOWLINE_SERVER_SSH_GATE_H
#define TOWLINE_SERVER_SSH_GATE_H

#include <towline/record.h>

#include "ssh/server.h"

#define TL_GATE_PLACES_MAX 32

struct tl_gate;

struct tl_gate *tl_gate_new(void);
/* The client's request, one at a time; it is answered when the endpoint has. */
void tl_gate_ask(struct tl_gate *gate, struct tl_ssh_listen *listen);
/* A program was asked for that may use the engineer's ssh-agent. */
void tl_gate_expect_agent(struct tl_gate *gate);
/* The endpoint is there. */
void tl_gate_connect(struct tl_gate *gate, struct tl_ssh_link *upstream, struct tl_record *record);
/* In the endpoint's pump. TL_E* when the recording failed. */
TL_MUST_CHECK int tl_gate_step(struct tl_gate *gate, struct tl_err *err);
/* Was the channel that the endpoint asks for to be expected? */
bool tl_gate_expects(const struct tl_gate *gate, ssh_message message,
		     struct tl_ssh_route *ret_route);
/* The endpoint has gone: what waits is refused. */
void tl_gate_lose(struct tl_gate *gate);
/* The request at hand is gone with the client's connection. NULL is fine. */
void tl_gate_free(struct tl_gate *gate);

#endif
