#include "ssh/upstream.h"

#include <libssh/server.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "ssh/algorithms.h"
#include "ssh/keys.h"

#define LOGIN_MS 30000

struct tl_upstream {
	struct tl_upstream_config config;
	struct tl_ssh_link *link;
	ssh_key key;
	char *host_key; /* base64 */
	bool connected, ready;
};

static bool is_enrolled_host(const struct tl_upstream *upstream)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_SSH_KEY_TEXT_MAX);
	ssh_key key = NULL;
	bool same;

	if (ssh_get_server_publickey(tl_ssh_link_session(upstream->link), &key) != SSH_OK)
		return false;
	same = tl_ssh_key_text(key, &text, NULL) == 0 &&
	       strcmp(tl_buf_str(&text), upstream->host_key) == 0;
	ssh_key_free(key);
	return same;
}

static void on_ready(void *arg)
{
	struct tl_upstream *upstream = arg;

	if (!is_enrolled_host(upstream)) {
		tl_ssh_link_close(upstream->link,
				  "the endpoint showed another host key than the enrolled one");
		return;
	}
	upstream->connected = true;
}

static bool login(struct tl_upstream *upstream)
{
	int rc = ssh_userauth_publickey(tl_ssh_link_session(upstream->link), NULL, upstream->key);

	if (rc == SSH_AUTH_AGAIN)
		return false;
	if (rc != SSH_AUTH_SUCCESS) {
		tl_ssh_link_close(upstream->link, "the endpoint did not accept the session's key");
		return false;
	}
	upstream->ready = true;
	tl_ssh_link_deadline(upstream->link, 0, NULL);
	upstream->config.ready(upstream->config.arg);
	return true;
}

static bool on_pump(void *arg)
{
	struct tl_upstream *upstream = arg;

	if (!upstream->connected)
		return false;
	if (!upstream->ready)
		return login(upstream);
	return upstream->config.pump(upstream->config.arg);
}

static void on_closed(void *arg, const char *reason)
{
	struct tl_upstream *upstream = arg;

	upstream->config.closed(upstream->config.arg, reason);
}

/* Nothing else is answered: a reply to a request in a channel could touch one that is freed. */
static bool on_message(void *arg, ssh_message message)
{
	struct tl_upstream *upstream = arg;

	if (ssh_message_type(message) != SSH_REQUEST_CHANNEL_OPEN)
		return false;
	if (upstream->ready && upstream->config.open(upstream->config.arg, message))
		return true;
	(void)ssh_message_reply_default(message);
	return false;
}

static const struct tl_ssh_link_handlers handlers = {
	.ready = on_ready,
	.message = on_message,
	.pump = on_pump,
	.closed = on_closed,
};

static int prepare(struct tl_upstream *upstream, const struct tl_upstream_config *config,
		   struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_SSH_KEY_TEXT_MAX);
	int rc = tl_ssh_key_of_line(config->host_key_line, &text, err);

	if (rc == 0)
		rc = tl_ssh_key_import(config->key, &upstream->key, err);
	if (rc != 0)
		return rc;
	upstream->config = *config;
	upstream->host_key = tl_buf_take(&text);
	return upstream->host_key ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

int tl_upstream_new(uv_loop_t *loop, int fd, const struct tl_upstream_config *config,
		    struct tl_upstream **ret_upstream, struct tl_err *err)
{
	struct tl_upstream *upstream = calloc(1, sizeof(*upstream));
	ssh_session session = NULL;
	int rc = upstream ? prepare(upstream, config, err)
			  : tl_err_set(err, TL_ENOMEM, "out of memory");

	if (rc == 0)
		rc = tl_ssh_client_session("towline", fd, &session, err);
	if (rc != 0) {
		close(fd);
		tl_upstream_free(upstream);
		return rc;
	}
	rc = tl_ssh_link_new(loop, session, fd, false, &handlers, upstream, &upstream->link, err);
	if (rc != 0) {
		tl_upstream_free(upstream);
		return rc;
	}
	tl_ssh_link_deadline(upstream->link, LOGIN_MS, "the endpoint did not answer in 30 seconds");
	*ret_upstream = upstream;
	return 0;
}

struct tl_ssh_link *tl_upstream_link(const struct tl_upstream *upstream)
{
	return upstream->link;
}

void tl_upstream_free(struct tl_upstream *upstream)
{
	if (!upstream)
		return;
	tl_ssh_link_free(upstream->link);
	ssh_key_free(upstream->key);
	free(upstream->host_key);
	free(upstream);
}
