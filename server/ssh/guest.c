/* An engineer's connection to the front door. */
#include <stdio.h>
#include <string.h>
#include <towline/log.h>
#include <towline/str.h>

#include "ssh/front_private.h"

/* ---- who is it -------------------------------------------------------------------------------- */

struct key_job {
	struct tl_guest *guest; /* NULL: left meanwhile */
	struct tl_ssh_front *front;
	char *key_text;
	char address[64], user[256];
	bool names_host;
	struct tl_engineer engineer;
	struct tl_certificate certificate; /* with a key where one was shown */
	bool needs_code;
	struct tl_err err;
};

/* The blob begins with the length and the name of its type. */
static bool read_type(const struct tl_buf *blob, const char **ret_name, size_t *ret_len)
{
	if (blob->len < 4 || blob->data[0] || blob->data[1] || blob->data[2] ||
	    (uint8_t)blob->data[3] + 4u > blob->len)
		return false;
	*ret_name = blob->data + 4;
	*ret_len = (uint8_t)blob->data[3];
	return true;
}

static bool is_certificate(const char *key_text)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_CERTIFICATE_BYTES_MAX);
	const char *name;
	size_t len;

	return tl_base64_decode(&blob, key_text, strlen(key_text)) == 0 &&
	       read_type(&blob, &name, &len) && tl_certificate_is_type(name, len);
}

/* An engineer's own login is no host, even if one is called the same: "ssh -J relay HOST" sends it. */
static bool names_host(void *worker, const struct key_job *job)
{
	struct tl_session_target target;
	int rc = tl_streq(job->user, job->engineer.login)
			 ? TL_ENOENT
			 : job->front->office.resolve(worker, job->user, &target, NULL);

	return rc == 0 || rc == TL_EDENIED;
}

static void work_key(void *worker, void *arg, struct tl_err *err)
{
	struct key_job *job = arg;
	const struct tl_office *office = &job->front->office;
	int rc = is_certificate(job->key_text)
			 ? office->certified(worker, job->key_text, job->address, &job->certificate,
					     &job->engineer, err)
			 : office->engineer(worker, job->key_text, &job->engineer, err);

	/* Nobody shows a code twice: a certificate that was issued for one stands for it. */
	if (rc == 0 && office->factor && !job->certificate.second_factor)
		rc = office->factor(worker, job->engineer.id, &job->needs_code, err);
	if (rc == 0)
		job->names_host = names_host(worker, job);
	/* Who is not let in is so by `err`: no failure may come without it. */
	if (rc != 0 && err->code == 0)
		tl_err_set(err, rc, "the key cannot be judged");
}

/* Of a certificate the plain key stays: it is what the grant carries, for as long as the grant lasts. */
static void adopt(struct tl_guest *guest, struct key_job *job)
{
	const struct tl_certificate *certificate = &job->certificate;
	bool plain = !certificate->key_text;

	free(guest->key_text);
	guest->key_text = plain ? tl_steal(&job->key_text) : tl_steal(&job->certificate.key_text);
	guest->engineer = job->engineer;
	guest->scopes = TL_SCOPE_EXEC | TL_SCOPE_FILES;
	if (plain || certificate->permits_pty)
		guest->scopes |= TL_SCOPE_TERMINAL;
	guest->by_certificate = !plain;
	guest->may_jump = plain || certificate->permits_forwarding;
	guest->names_host = job->names_host;
	if (guest->may_jump)
		guest->scopes |= TL_SCOPE_FORWARDING;
	if (plain || certificate->permits_agent)
		guest->scopes |= TL_SCOPE_AGENT;
	snprintf(guest->certificate_id, sizeof(guest->certificate_id), "%s",
		 plain ? "" : certificate->key_id);
}

static void job_free(struct key_job *job)
{
	if (!job)
		return;
	tl_certificate_clear(&job->certificate);
	free(job->key_text);
	free(job);
}

static enum tl_ssh_verdict verdict_of(const struct key_job *job)
{
	if (job->err.code)
		return TL_SSH_REFUSED;
	return job->needs_code ? TL_SSH_HALFWAY : TL_SSH_WELCOME;
}

static void refuse(struct tl_guest *guest, const struct key_job *job)
{
	tl_log_info("SSH key refused", TL_S("address", guest->address), TL_S("user", guest->user),
		    TL_ERR(&job->err));
	if (job->err.code == TL_EAUTH)
		tl_trail_refusal(guest, job->engineer.login,
				 job->certificate.is_of_known ? job->certificate.key_id : "",
				 tl_err_text(&job->err));
}

static void on_key_done(void *arg)
{
	struct key_job *job = arg;
	struct tl_guest *guest = job->guest;
	bool welcome = job->err.code == 0;

	if (guest) {
		guest->key_job = NULL;
		if (welcome)
			adopt(guest, job);
		else
			refuse(guest, job);
		/* The code has its own time. */
		if (welcome && job->needs_code)
			tl_ssh_server_grace(guest->server, guest->front->limits.grace_ms);
		tl_ssh_server_verdict(guest->server, verdict_of(job));
	}
	job_free(job);
}

static void on_key(void *arg, const char *user, const char *key_text)
{
	struct tl_guest *guest = arg;
	struct key_job *job = calloc(1, sizeof(*job));

	snprintf(guest->user, sizeof(guest->user), "%s", user ? user : "");
	if (job)
		job->key_text = strdup(key_text);
	if (!job || !job->key_text) {
		job_free(job);
		tl_ssh_server_verdict(guest->server, false);
		return;
	}
	job->guest = guest;
	job->front = guest->front;
	snprintf(job->address, sizeof(job->address), "%s", guest->address);
	snprintf(job->user, sizeof(job->user), "%s", guest->user);
	guest->key_job = job;
	tl_front_job(guest->front, work_key, on_key_done, job, &job->err);
}

static void on_login(void *arg)
{
	struct tl_guest *guest = arg;

	guest->logged_in = true;
	tl_trail_login(guest);
	tl_log_info("engineer logged in by SSH", TL_S("engineer", guest->engineer.login),
		    TL_S("address", guest->address), TL_S("certificate", guest->certificate_id));
}

/* "TYPE BASE64" */
int tl_guest_key_line(const char *key_text, struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(8192);
	const char *name;
	size_t len;

	if (tl_base64_decode(&blob, key_text, strlen(key_text)) != 0 ||
	    !read_type(&blob, &name, &len))
		return TL_EINVAL;
	tl_buf_append(out, name, len);
	tl_buf_printf(out, " %s", key_text);
	return tl_buf_check(out);
}

/* ---- what does it want ------------------------------------------------------------------------ */

static struct tl_bastion *bastion_of(struct tl_guest *guest)
{
	if (!guest->bastion)
		guest->bastion = tl_bastion_new(guest);
	return guest->bastion;
}

static void on_start(void *arg, struct tl_ssh_server_channel *channel)
{
	struct tl_guest *guest = arg;

	if (channel->has_pty && !(guest->scopes & TL_SCOPE_TERMINAL))
		tl_ssh_channel_answer(channel, false, "your certificate permits no terminal");
	else if (bastion_of(guest))
		tl_bastion_start(guest->bastion, channel);
	else
		tl_ssh_channel_answer(channel, false, "the relay is out of memory");
}

static bool may_forward(const struct tl_guest *guest)
{
	if (!guest->may_jump)
		tl_log_info("a certificate permits no forwarding",
			    TL_S("engineer", guest->engineer.login),
			    TL_S("certificate", guest->certificate_id));
	return guest->may_jump;
}

static enum tl_ssh_answer on_forward(void *arg, struct tl_ssh_server_channel *channel)
{
	struct tl_guest *guest = arg;

	if (!may_forward(guest))
		return TL_SSH_REFUSE;
	if (guest->names_host)
		return bastion_of(guest) ? tl_bastion_forward(guest->bastion, channel)
					 : TL_SSH_REFUSE;
	/* "ssh -J" sends port 22; an endpoint has one SSH server, wherever it is thought */
	channel->data = tl_pipe_new(guest, channel, channel->route.to.host);
	return channel->data ? TL_SSH_ACCEPT : TL_SSH_REFUSE;
}

static void on_listen(void *arg, struct tl_ssh_listen *listen)
{
	struct tl_guest *guest = arg;

	if (guest->names_host && may_forward(guest) && bastion_of(guest))
		tl_bastion_listen(guest->bastion, listen);
	else
		tl_ssh_listen_answer(listen, false, 0);
}

static void on_opened(void *arg, struct tl_ssh_server_channel *channel, bool accepted)
{
	const struct tl_guest *guest = arg;

	tl_bastion_opened(guest->bastion, channel, accepted);
}

/* The end-to-end lane's channels go to a pipe, all others through the bastion. */
static bool is_piped(const struct tl_guest *guest, const struct tl_ssh_server_channel *channel)
{
	return channel->forward && !guest->names_host;
}

static void on_resize(void *arg, struct tl_ssh_server_channel *channel)
{
	struct tl_guest *guest = arg;

	if (guest->bastion)
		tl_bastion_resize(guest->bastion, channel);
}

static void on_signal(void *arg, struct tl_ssh_server_channel *channel, const char *name)
{
	struct tl_guest *guest = arg;

	if (guest->bastion)
		tl_bastion_signal(guest->bastion, channel, name);
}

static void on_refused(void *arg, struct tl_ssh_server_channel *channel, const char *sentence)
{
	struct tl_guest *guest = arg;

	tl_log_info(sentence, TL_S("engineer", guest->engineer.login),
		    TL_S("address", guest->address));
	if (guest->bastion)
		tl_bastion_note(guest->bastion, channel, sentence);
}

static bool on_pump(void *arg, struct tl_ssh_server_channel *channel)
{
	struct tl_guest *guest = arg;

	if (is_piped(guest, channel))
		return channel->data && tl_pipe_pump(channel->data);
	return guest->bastion && tl_bastion_pump(guest->bastion, channel);
}

static void on_gone(void *arg, struct tl_ssh_server_channel *channel)
{
	struct tl_guest *guest = arg;

	if (is_piped(guest, channel))
		tl_pipe_free(channel->data);
	else if (guest->bastion)
		tl_bastion_gone(guest->bastion, channel);
	channel->data = NULL;
}

/* ---- life ------------------------------------------------------------------------------------- */

static void unlink_guest(struct tl_guest *guest)
{
	struct tl_guest **at = &guest->front->guests;

	while (*at != guest)
		at = &(*at)->next;
	*at = guest->next;
	guest->front->guest_count--;
}

/* Once a connection, not once a key: agents offer all that they have before the right one. Who said
 * nothing, such as a load balancer that looks whether the port answers, has failed at nothing. */
static void note_failure(struct tl_guest *guest, const char *reason)
{
	if (tl_ssh_link_bytes_in(tl_ssh_server_link(guest->server)) > 0 && !guest->front->stopping)
		tl_throttle_failed(guest->front->failures, guest->network);
	tl_log_info("SSH connection without login", TL_S("address", guest->address),
		    TL_S("reason", reason));
}

static void on_closed(void *arg, const char *reason)
{
	struct tl_guest *guest = arg;
	struct tl_ssh_front *front = guest->front;

	if (!guest->logged_in)
		note_failure(guest, reason);
	if (guest->key_job)
		guest->key_job->guest = NULL;
	tl_code_job_forget(guest->code_job);
	tl_bastion_free(guest->bastion, guest->closing ? reason : "the engineer left");
	unlink_guest(guest);
	tl_ssh_server_free(guest->server);
	free(guest->key_text);
	free(guest);
	tl_front_settle(front);
}

static const struct tl_ssh_server_handlers handlers = {
	.key = on_key,
	.code = tl_guest_code,
	.login = on_login,
	.start = on_start,
	.forward = on_forward,
	.listen = on_listen,
	.opened = on_opened,
	.resize = on_resize,
	.signal = on_signal,
	.refused = on_refused,
	.pump = on_pump,
	.gone = on_gone,
	.closed = on_closed,
};

void tl_guest_new(struct tl_ssh_front *front, int fd, const char *address)
{
	struct tl_guest *guest = calloc(1, sizeof(*guest));
	struct tl_err err = TL_ERR_INIT;

	if (!guest) {
		close(fd);
		return;
	}
	guest->front = front;
	snprintf(guest->address, sizeof(guest->address), "%s", address);
	tl_door_network(address, guest->network);
	guest->since_ms = (int64_t)uv_now(&front->loop);
	if (tl_ssh_server_new(&front->loop, fd, front->host_key, &handlers, guest, &guest->server,
			      &err) != 0) {
		tl_log_error("an SSH connection could not be served", TL_ERR(&err));
		free(guest);
		return;
	}
	tl_ssh_server_grace(guest->server, front->limits.grace_ms);
	guest->next = front->guests;
	front->guests = guest;
	front->guest_count++;
}
