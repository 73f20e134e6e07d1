#include "ssh/gate.h"

#include <libssh/server.h>
#include <stdio.h>
#include <towline/str.h>

struct tl_gate {
	struct tl_ssh_link *upstream; /* NULL: not there yet, or gone */
	struct tl_record *record;
	struct tl_ssh_listen *request; /* that waits */
	bool agent;
	struct tl_ssh_place places[TL_GATE_PLACES_MAX]; /* where the endpoint listens */
	size_t place_count;
};

struct tl_gate *tl_gate_new(void)
{
	return calloc(1, sizeof(struct tl_gate));
}

void tl_gate_expect_agent(struct tl_gate *gate)
{
	gate->agent = true;
}

void tl_gate_ask(struct tl_gate *gate, struct tl_ssh_listen *listen)
{
	gate->request = listen;
}

void tl_gate_connect(struct tl_gate *gate, struct tl_ssh_link *upstream, struct tl_record *record)
{
	gate->upstream = upstream;
	gate->record = record;
	tl_ssh_link_kick(upstream);
}

static struct tl_ssh_place *find(struct tl_gate *gate, const char *host, unsigned port)
{
	for (size_t i = 0; i < gate->place_count; i++)
		if (gate->places[i].port == port && tl_streq(gate->places[i].host, host))
			return &gate->places[i];
	return NULL;
}

static int write_down(struct tl_gate *gate, const struct tl_ssh_place *at, const char *why,
		      struct tl_err *err)
{
	char to[TL_SSH_PLACE_TEXT];
	struct tl_record_forward facts = {.what = "listen", .to = to, .why = why};

	if (!tl_ssh_place_text(at, to)) /* every address */
		snprintf(to, sizeof(to), "*:%u", at->port);
	return tl_record_forward(gate->record, 0, &facts, err);
}

static int answer_listen(struct tl_gate *gate, bool granted, unsigned port, struct tl_err *err)
{
	struct tl_ssh_listen *request = tl_steal(&gate->request);
	struct tl_ssh_place at = request->at;
	int rc;

	at.port = granted ? port : at.port;
	if (granted)
		gate->places[gate->place_count++] = at;
	rc = write_down(gate, &at, granted ? NULL : "the endpoint does not listen there", err);
	tl_ssh_listen_answer(request, granted, port);
	return rc;
}

static int step_listen(struct tl_gate *gate, ssh_session session, struct tl_err *err)
{
	const struct tl_ssh_place *at = &gate->request->at;
	int bound = (int)at->port;
	int rc = SSH_ERROR;

	if (gate->place_count < TL_GATE_PLACES_MAX && at->port <= UINT16_MAX)
		rc = ssh_channel_listen_forward(session, at->host, (int)at->port, &bound);
	if (rc == SSH_AGAIN)
		return 0;
	return answer_listen(gate, rc == SSH_OK, (unsigned)bound, err);
}

static int step_cancel(struct tl_gate *gate, ssh_session session)
{
	struct tl_ssh_listen *request = gate->request;
	struct tl_ssh_place *place = find(gate, request->at.host, request->at.port);
	int rc =
		place ? ssh_channel_cancel_forward(session, request->at.host, (int)request->at.port)
		      : SSH_ERROR;

	if (rc == SSH_AGAIN)
		return 0;
	if (place)
		*place = gate->places[--gate->place_count];
	gate->request = NULL;
	tl_ssh_listen_answer(request, rc == SSH_OK, 0);
	return 0;
}

int tl_gate_step(struct tl_gate *gate, struct tl_err *err)
{
	ssh_session session;

	if (!gate->request || !gate->upstream)
		return 0;
	session = tl_ssh_link_session(gate->upstream);
	return gate->request->cancel ? step_cancel(gate, session) : step_listen(gate, session, err);
}

bool tl_gate_expects(const struct tl_gate *gate, ssh_message message,
		     struct tl_ssh_route *ret_route)
{
	const char *host = ssh_message_channel_request_open_destination(message);
	const char *from = ssh_message_channel_request_open_originator(message);
	int port = ssh_message_channel_request_open_destination_port(message);
	int from_port = ssh_message_channel_request_open_originator_port(message);
	struct tl_ssh_route route = {.kind = TL_SSH_AGENT};

	if (ssh_message_subtype(message) == SSH_CHANNEL_AUTH_AGENT) {
		*ret_route = route;
		return gate->agent;
	}
	if (ssh_message_subtype(message) != SSH_CHANNEL_FORWARDED_TCPIP || !host || !from ||
	    !find((struct tl_gate *)(uintptr_t)gate, host, (unsigned)port) ||
	    !tl_str_is_utf8(from, strlen(from)))
		return false;
	route.kind = TL_SSH_FORWARDED;
	snprintf(route.to.host, sizeof(route.to.host), "%s", host);
	route.to.port = (unsigned)port;
	snprintf(route.from.host, sizeof(route.from.host), "%.*s", TL_SSH_HOST_MAX, from);
	route.from.port = (unsigned)from_port;
	*ret_route = route;
	return true;
}

void tl_gate_lose(struct tl_gate *gate)
{
	gate->upstream = NULL;
	gate->place_count = 0;
	if (gate->request)
		tl_ssh_listen_answer(tl_steal(&gate->request), false, 0);
}

void tl_gate_free(struct tl_gate *gate)
{
	free(gate);
}
