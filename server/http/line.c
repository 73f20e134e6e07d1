#include "http/line.h"

#include <openssl/crypto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/clock.h>
#include <towline/crypto.h>
#include <towline/log.h>
#include <towline/str.h>
#include <unistd.h>

#include "http/server.h"

int64_t tl_http_line_now(void)
{
	return tl_clock_mono_ms(tl_clock_system());
}

/* ---- life ------------------------------------------------------------------------------------- */

static void line_free(struct tl_http_line *line)
{
	if (line->config.on_free)
		line->config.on_free(line->config.arg);
	tl_line_free(line->core);
	if (line->fd >= 0)
		close(line->fd);
	tl_buf_clear(&line->inward);
	pthread_mutex_destroy(&line->lock);
	tl_wipe(line->token, sizeof line->token);
	tl_wipe(line->offered, sizeof line->offered);
	free(line);
}

void tl_http_line_unref(struct tl_http_line *line)
{
	if (line && atomic_fetch_sub(&line->refs, 1) == 1)
		line_free(line);
}

static struct tl_http_line *line_new(const struct tl_http *http, bool framed)
{
	struct tl_http_line *line = calloc(1, sizeof *line);

	if (!line)
		return NULL;
	line->core = tl_line_new(framed, tl_http_line_now());
	if (!line->core) {
		free(line);
		return NULL;
	}
	line->fd = -1;
	line->refs = 1;
	pthread_mutex_init(&line->lock, NULL);
	tl_buf_init(&line->inward, http->config.max_header_bytes + TL_LOOP_SCRATCH);
	return line;
}

bool tl_http_line_is_left(const struct tl_http_line *line)
{
	struct pollfd entry = {.fd = line->fd};

	return poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR));
}

void tl_http_line_leave(struct tl_http_line *line, const struct tl_conn *conn)
{
	pthread_mutex_lock(&line->lock);
	if (line->owner == conn) {
		line->owner = NULL;
		line->away_since_ms = tl_http_line_now();
		if (line->name[0] && !line->over)
			tl_log_info("a line is broken and waits", TL_S("line", line->name));
	}
	pthread_mutex_unlock(&line->lock);
}

/* ---- the table -------------------------------------------------------------------------------- */

void tl_lines_init(struct tl_lines *lines)
{
	pthread_mutex_init(&lines->lock, NULL);
}

void tl_lines_add(struct tl_lines *lines, struct tl_http_line *line)
{
	atomic_fetch_add(&line->refs, 1);
	pthread_mutex_lock(&lines->lock);
	line->next = lines->first;
	lines->first = line;
	pthread_mutex_unlock(&lines->lock);
}

/* The lines' lock is held. */
static struct tl_http_line **find(struct tl_lines *lines, const char *name)
{
	struct tl_http_line **slot = &lines->first;

	while (*slot && !tl_streq((*slot)->name, name))
		slot = &(*slot)->next;
	return slot;
}

static void end_line(struct tl_http_line *line)
{
	pthread_mutex_lock(&line->lock);
	line->over = true;
	(void)shutdown(line->fd, SHUT_RDWR);
	pthread_mutex_unlock(&line->lock);
}

void tl_lines_remove(struct tl_lines *lines, struct tl_http_line *line)
{
	struct tl_http_line **slot;
	bool found;

	pthread_mutex_lock(&lines->lock);
	slot = find(lines, line->name);
	found = *slot == line;
	if (found)
		*slot = line->next;
	pthread_mutex_unlock(&lines->lock);
	end_line(line);
	if (found)
		tl_http_line_unref(line);
}

void tl_lines_clear(struct tl_lines *lines)
{
	while (lines->first)
		tl_lines_remove(lines, lines->first);
	pthread_mutex_destroy(&lines->lock);
}

enum fate { STAYS, IS_LEFT, IS_LOST };

static enum fate judge(struct tl_http_line *line, int64_t now_ms)
{
	enum fate fate = STAYS;

	pthread_mutex_lock(&line->lock);
	if (!line->owner && tl_http_line_is_left(line))
		fate = IS_LEFT;
	else if (!line->owner && now_ms - line->away_since_ms >= line->config.gap_ms)
		fate = IS_LOST;
	pthread_mutex_unlock(&line->lock);
	return fate;
}

/* The next one that does not stay, with a reference for the caller. */
static struct tl_http_line *next_ended(struct tl_lines *lines, enum fate *ret_fate)
{
	int64_t now_ms = tl_http_line_now();
	struct tl_http_line *line;

	pthread_mutex_lock(&lines->lock);
	for (line = lines->first; line; line = line->next)
		if ((*ret_fate = judge(line, now_ms)) != STAYS) {
			atomic_fetch_add(&line->refs, 1);
			break;
		}
	pthread_mutex_unlock(&lines->lock);
	return line;
}

void tl_lines_sweep(struct tl_lines *lines)
{
	struct tl_http_line *line;
	enum fate fate;

	while ((line = next_ended(lines, &fate))) {
		if (fate == IS_LOST) {
			tl_log_info("a line did not come back", TL_S("line", line->name));
			line->config.on_lost(line->config.arg);
		}
		tl_lines_remove(lines, line);
		tl_http_line_unref(line);
	}
}

/* ---- what handlers call ----------------------------------------------------------------------- */

static bool wants(struct tl_http_call *call, const char *protocol)
{
	if (call->request.upgrade && tl_request_has_token(&call->request, "upgrade", protocol))
		return true;
	tl_http_add_header(call, "Upgrade", protocol);
	tl_http_problem(call, 426, "upgrade-required", "this resource speaks another protocol");
	return false;
}

/* The line's lock is held, or nobody else knows the line yet. */
static struct tl_line_hello say(const struct tl_http_line *line)
{
	struct tl_line_hello hello = {.gap_ms = line->config.gap_ms,
				      .received = tl_line_received(line->core)};

	memcpy(hello.token, line->offered, sizeof hello.token);
	return hello;
}

/* Takes the reference. */
static void announce(struct tl_http_call *call, const char *protocol, struct tl_http_line *line,
		     const struct tl_line_hello *hello)
{
	char text[TL_LINE_HELLO_MAX];

	call->line = line;
	tl_http_add_header(call, "Connection", "Upgrade");
	tl_http_add_header(call, "Upgrade", protocol);
	if (hello->token[0]) {
		tl_line_hello_write(hello, text);
		tl_http_add_header(call, TL_LINE_FIELD, text);
	}
	tl_response_head(call, 101, NULL, UINT64_MAX);
}

int tl_http_line(struct tl_http_call *call, const char *protocol,
		 const struct tl_http_line_config *config)
{
	struct tl_http_line *line;
	struct tl_line_hello said;

	if (!wants(call, protocol))
		return TL_EINVAL;
	line = line_new(call->http, config->name != NULL);
	if (!line)
		tl_http_problem(call, 503, "busy", "the server has no memory left");
	if (!line || !tl_call_pair(call, TL_OUTCOME_UPGRADE, SOCK_STREAM)) {
		tl_http_line_unref(line);
		return TL_EBUSY;
	}
	line->fd = tl_steal_fd(&call->pair_fd);
	line->config = *config;
	line->config.name = NULL;
	if (config->name) {
		snprintf(line->name, sizeof line->name, "%s", config->name);
		tl_line_token(line->offered);
	}
	line->away_since_ms = tl_http_line_now();
	call->on_open = config->on_open;
	call->arg = config->arg;
	said = say(line);
	announce(call, protocol, line, &said);
	return 0;
}

int tl_http_upgrade(struct tl_http_call *call, const char *protocol,
		    void (*on_open)(void *arg, int fd), void *arg)
{
	return tl_http_line(call, protocol,
			    &(struct tl_http_line_config){.on_open = on_open, .arg = arg});
}

static bool is_token(const char *known, const char *given)
{
	return known[0] && strlen(given) == TL_LINE_TOKEN_LEN &&
	       CRYPTO_memcmp(known, given, TL_LINE_TOKEN_LEN) == 0;
}

/* The line's lock is held. */
static int admit(const struct tl_http_line *line, const char *token)
{
	if (line->over)
		return TL_ENOENT;
	if (!is_token(line->token, token) && !is_token(line->offered, token))
		return TL_EACCES;
	return line->resumes >= TL_LINE_RESUMES_MAX ? TL_EBUSY : 0;
}

static struct tl_http_line *take(struct tl_lines *lines, const char *name)
{
	struct tl_http_line *line;

	pthread_mutex_lock(&lines->lock);
	line = *find(lines, name);
	if (line)
		atomic_fetch_add(&line->refs, 1);
	pthread_mutex_unlock(&lines->lock);
	return line;
}

int tl_http_line_check(struct tl_http *http, const char *name, const char *token,
		       int64_t *ret_away_ms)
{
	struct tl_http_line *line = take(&http->lines, name);
	int rc;

	if (!line)
		return TL_ENOENT;
	pthread_mutex_lock(&line->lock);
	rc = admit(line, token);
	if (rc == 0)
		*ret_away_ms = line->owner ? 0 : tl_http_line_now() - line->away_since_ms;
	pthread_mutex_unlock(&line->lock);
	tl_http_line_unref(line);
	return rc;
}

/* From here on no older connection serves it; how much of the peer's stream is here stands still. */
static int overtake(struct tl_http_line *line, const struct tl_line_hello *hello,
		    struct tl_line_hello *ret_said, uint64_t *ret_turn)
{
	int rc;

	pthread_mutex_lock(&line->lock);
	rc = admit(line, hello->token);
	if (rc == 0)
		rc = tl_line_resume(line->core, hello->received, tl_http_line_now());
	if (rc == 0) {
		if (line->owner)
			line->away_since_ms = tl_http_line_now();
		line->owner = NULL;
		*ret_turn = ++line->turn;
		line->resumes++;
		memcpy(line->token, hello->token, sizeof line->token);
		tl_line_token(line->offered);
		*ret_said = say(line);
	}
	pthread_mutex_unlock(&line->lock);
	return rc;
}

int tl_http_line_resume(struct tl_http_call *call, const char *protocol, const char *name,
			const struct tl_line_hello *hello)
{
	struct tl_http_line *line;
	struct tl_line_hello said = {.token = ""};
	int rc;

	if (!wants(call, protocol))
		return TL_EINVAL;
	line = take(&call->http->lines, name);
	rc = line ? overtake(line, hello, &said, &call->line_turn) : TL_ENOENT;
	if (rc < 0)
		tl_http_problem(call, 403, "resume-refused",
				"the stream cannot go on from there with this token");
	else if (!tl_response_claim(call, TL_OUTCOME_UPGRADE))
		rc = TL_EINVAL;
	if (rc < 0) {
		tl_http_line_unref(line);
		return rc;
	}
	announce(call, protocol, line, &said);
	return 0;
}
