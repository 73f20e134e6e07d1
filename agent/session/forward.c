#include "session/forward.h"

#include <stdio.h>
#include <towline/log.h>

#include "ssh/splice.h"

struct tl_forward {
	struct tl_forward_config config;
	struct tl_ssh_server_channel *channel;
	struct tl_errand *errand; /* connects */
	struct tl_ssh_splice *splice;
	int fd; /* that came in, until the client has answered */
	bool recorded;
	char address[64]; /* that is connected to */
};

/* ---- recording -------------------------------------------------------------------------------- */

static int write_down(const struct tl_forward_config *config, unsigned channel,
		      const struct tl_ssh_route *route, const char *address, const char *why)
{
	char to[TL_SSH_PLACE_TEXT], from[TL_SSH_PLACE_TEXT];
	struct tl_record_forward facts = {
		.what = tl_ssh_route_name(route->kind),
		.address = address,
		.why = why,
	};
	struct tl_err err = TL_ERR_INIT;
	int rc = 0;

	facts.to = tl_ssh_place_text(&route->to, to);
	facts.from = tl_ssh_place_text(&route->from, from);
	tl_log_info(why ? "forwarding refused" : "forwarding",
		    TL_S("session", config->errand.session), TL_S("what", facts.what),
		    TL_S("to", facts.to), TL_S("address", address), TL_S("from", facts.from),
		    TL_S("why", why));
	if (config->record)
		rc = tl_record_forward(config->record, channel, &facts, &err);
	if (rc != 0)
		config->on_record_failed(config->arg, &err);
	return rc;
}

void tl_forward_refused(const struct tl_forward_config *config, unsigned channel,
			const struct tl_ssh_route *route, const char *why)
{
	if (write_down(config, channel, route, NULL, why) != 0)
		return; /* the session ends */
}

static bool on_seen(void *arg, bool inwards, const char *bytes, size_t len)
{
	struct tl_forward *forward = arg;
	struct tl_record *record = forward->config.record;
	unsigned number = forward->channel->number;
	struct tl_err err = TL_ERR_INIT;
	int rc = 0;

	if (record)
		rc = inwards ? tl_record_input(record, number, bytes, len, &err)
			     : tl_record_output(record, number, bytes, len, &err);
	if (rc != 0)
		forward->config.on_record_failed(forward->config.arg, &err);
	return rc == 0;
}

/* ---- the connection --------------------------------------------------------------------------- */

/* The channel stands: from here its bytes pass. `fd` is taken over. */
static void join(struct tl_forward *forward, int fd)
{
	struct tl_ssh_server_channel *channel = forward->channel;
	struct tl_err err = TL_ERR_INIT;

	if (write_down(&forward->config, channel->number, &channel->route,
		       forward->address[0] ? forward->address : NULL, NULL) != 0) {
		close(fd);
		return;
	}
	forward->recorded = true;
	channel->drains = true;
	if (tl_ssh_splice_new(forward->config.errand.loop, fd, &channel->stream, on_seen, forward,
			      &forward->splice, &err) != 0) {
		channel->drains = false;
		tl_ssh_stream_close(&channel->stream);
	}
	tl_ssh_link_kick(tl_ssh_server_link(channel->server));
}

static void on_connected(void *arg, struct tl_ipc_message *result, const struct tl_err *err)
{
	struct tl_forward *forward = arg;
	struct tl_ssh_server_channel *channel = forward->channel;
	struct tl_ssh_place at = {.port = channel->route.to.port};
	char address[TL_SSH_PLACE_TEXT];
	const char *host;

	if (!result) {
		tl_forward_refused(&forward->config, channel->number, &channel->route,
				   tl_err_text(err));
		tl_ssh_channel_refuse(channel, tl_err_text(err));
		return;
	}
	host = json_string_value(json_object_get(result->json, "address"));
	snprintf(at.host, sizeof(at.host), "%.46s", host ? host : "?");
	snprintf(forward->address, sizeof(forward->address), "%.63s",
		 tl_ssh_place_text(&at, address));
	if (tl_ssh_channel_accept(channel))
		join(forward, tl_steal_fd(&result->fds[0]));
}

static struct tl_forward *forward_new(const struct tl_forward_config *config)
{
	struct tl_forward *forward = calloc(1, sizeof(*forward));

	if (forward) {
		forward->config = *config;
		forward->fd = -1;
	}
	return forward;
}

int tl_forward_direct(const struct tl_forward_config *config, struct tl_ssh_server_channel *channel,
		      struct tl_forward **ret_forward, struct tl_err *err)
{
	struct tl_forward *forward = forward_new(config);
	int rc = forward ? tl_errand_start(&config->errand, "connect", channel->route.to.host,
					   channel->route.to.port, on_connected, forward,
					   &forward->errand, err)
			 : tl_err_set(err, TL_ENOMEM, "out of memory");

	if (rc != 0) {
		free(forward);
		return rc;
	}
	forward->channel = channel;
	*ret_forward = forward;
	return 0;
}

int tl_forward_incoming(const struct tl_forward_config *config, struct tl_ssh_server *server,
			int fd, const struct tl_ssh_route *route, struct tl_err *err)
{
	struct tl_forward *forward = forward_new(config);
	int rc = forward ? tl_ssh_server_open(server, route, forward, &forward->channel, err)
			 : tl_err_set(err, TL_ENOMEM, "out of memory");

	if (rc != 0) {
		close(fd);
		free(forward);
		return rc;
	}
	forward->fd = fd;
	return 0;
}

void tl_forward_opened(struct tl_forward *forward, bool accepted)
{
	if (accepted)
		join(forward, tl_steal_fd(&forward->fd));
	else
		tl_forward_refused(&forward->config, forward->channel->number,
				   &forward->channel->route, "the engineer's client refused it");
}

bool tl_forward_pump(struct tl_forward *forward)
{
	bool moved = forward->splice && tl_ssh_splice_pump(forward->splice);

	if (tl_ssh_stream_is_closed(&forward->channel->stream))
		forward->channel->drains = false;
	return moved;
}

void tl_forward_free(struct tl_forward *forward)
{
	struct tl_err err = TL_ERR_INIT;

	if (!forward)
		return;
	if (forward->recorded && forward->config.record &&
	    tl_record_close(forward->config.record, forward->channel->number, &err) != 0)
		forward->config.on_record_failed(forward->config.arg, &err);
	tl_errand_free(forward->errand);
	tl_ssh_splice_free(forward->splice);
	if (forward->fd >= 0)
		close(forward->fd);
	free(forward);
}
