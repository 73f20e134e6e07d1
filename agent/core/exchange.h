/* One HTTP exchange with the relay: a libcurl handle, what it sends and what came back.
 *
 * The same object serves the blocking use (enrolment) and the daemon's event loop (core/relay.h).
 * TLS 1.2 or later, verified against one pinned CA; HTTP/1.1; no redirects. One thread at a time. */
#ifndef TOWLINE_AGENT_EXCHANGE_H
#define TOWLINE_AGENT_EXCHANGE_H

#include <curl/curl.h>
#include <stdint.h>
#include <towline/buf.h>
#include <towline/err.h>
#include <towline/json.h>

#define TL_EXCHANGE_BODY_MAX (256 * 1024) /* of an answer that is kept in memory */

/* Called with each piece of a streamed answer's body; false ends the exchange. */
typedef bool tl_exchange_data(void *arg, const char *bytes, size_t len);

struct tl_exchange_spec {
	const char *method;
	const char *url;
	const char
		*ca_file;  /* NULL: nothing is verified, which only enrolment's first step may do */
	const char *proxy; /* NULL or "": the environment decides */
	const char *bearer; /* NULL: none */
	const char *content_type;
	const char *body; /* copied */
	size_t body_len;
	const char *const *headers; /* NULL-terminated "Name: value" lines; may be NULL */
	int file_fd; /* used when file_len > 0: the body is this part of a file; borrowed */
	int64_t file_offset, file_len;
	int64_t timeout_ms;	   /* of the whole; 0: none, for streams */
	tl_exchange_data *on_data; /* NULL: the body is kept */
	void *data_arg;
};

struct tl_reply {
	int status;	  /* HTTP status; 0 when none came: `err` says why */
	json_t *json;	  /* borrowed; NULL when the body is none */
	char problem[64]; /* RFC 9457: the slug after urn:towline:problem: */
	char location[512];
	int64_t upload_offset;	/* tus; -1 when absent */
	int64_t retry_after_ms; /* 0 when absent */
	struct tl_err err;	/* for every status beyond 2xx, one sentence */
};

struct tl_exchange;

TL_MUST_CHECK int tl_exchange_new(const struct tl_exchange_spec *spec,
				  struct tl_exchange **ret_exchange, struct tl_err *err);
CURL *tl_exchange_handle(struct tl_exchange *exchange);
/* The exchange a handle belongs to. */
struct tl_exchange *tl_exchange_of(CURL *easy);
/* Reads the outcome. Called once, after libcurl is done. The reply lives as long as the exchange. */
const struct tl_reply *tl_exchange_finish(struct tl_exchange *exchange, CURLcode code);
/* Runs it to its end, blocking. */
const struct tl_reply *tl_exchange_perform(struct tl_exchange *exchange);
void tl_exchange_free(struct tl_exchange *exchange);
TL_DEFINE_AUTO_PTR(tl_exchange, tl_exchange_free);

/* True when repeating later may help: no answer, 408, 425, 429 and 5xx other than 501. */
bool tl_reply_is_transient(const struct tl_reply *reply);
/* The error code that stands for an HTTP status. */
int tl_reply_code(int status);

#endif
