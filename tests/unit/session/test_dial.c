#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "rig.h"
#include "session/dial.h"

/* A relay that answers one call with fixed bytes and hangs up. */
struct relay {
	struct rig *rig;
	SSL_CTX *tls;
	const char *answer;
	size_t answer_len;
	struct tl_line_hello hello;
	char request[8192]; /* what it was asked */
	char url[64], ca[256];
	int fd;
	pthread_t thread;
};

static void read_request(struct relay *relay, SSL *ssl)
{
	size_t len = 0;
	int got;

	while (!strstr(relay->request, "\r\n\r\n") && len < sizeof(relay->request) - 1) {
		got = SSL_read(ssl, relay->request + len, (int)(sizeof(relay->request) - 1 - len));
		if (got <= 0)
			return;
		len += (size_t)got;
		relay->request[len] = '\0';
	}
}

static void *serve_one(void *arg)
{
	struct relay *relay = arg;
	SSL *ssl = SSL_new(relay->tls);
	int fd = accept(relay->fd, NULL, NULL);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		read_request(relay, ssl);
		if (relay->answer_len > 0)
			(void)SSL_write(ssl, relay->answer, (int)relay->answer_len);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static int setup(void **state)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	struct rig_run run;
	char key[300];

	relay->rig = rig_new();
	run = rig_sh(relay->rig, NULL,
		     "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
		     "-subj /CN=relay -addext subjectAltName=IP:127.0.0.1 -days 2 -keyout tls.key "
		     "-out tls.pem");
	assert_int_equal(run.status, 0);
	rig_run_clear(&run);
	snprintf(relay->ca, sizeof(relay->ca), "%s/tls.pem", rig_dir(relay->rig));
	snprintf(key, sizeof(key), "%s/tls.key", rig_dir(relay->rig));
	relay->tls = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate_chain_file(relay->tls, relay->ca), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(relay->tls, key, SSL_FILETYPE_PEM), 1);
	relay->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(relay->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(relay->fd, 1), 0);
	assert_int_equal(getsockname(relay->fd, (struct sockaddr *)&at, &len), 0);
	snprintf(relay->url, sizeof(relay->url), "https://127.0.0.1:%u", ntohs(at.sin_port));
	*state = relay;
	return 0;
}

static int teardown(void **state)
{
	struct relay *relay = *state;

	close(relay->fd);
	SSL_CTX_free(relay->tls);
	rig_free(relay->rig);
	free(relay);
	return 0;
}

static int dial(struct relay *relay, const char *answer, size_t answer_len,
		struct tl_dialled *ret_dialled, struct tl_err *err)
{
	const struct tl_session_request request = {
		.session = "01j00000000000000000000000",
		.relay_url = relay->url,
		.ca_file = relay->ca,
	};
	const struct tl_dial_ask ask = {
		.access_token = "the.access.token",
		.timeout_ms = TL_DIAL_TIMEOUT_MS,
		.hello = relay->hello,
	};
	int rc;

	relay->request[0] = '\0';
	relay->answer = answer;
	relay->answer_len = answer_len;
	assert_int_equal(pthread_create(&relay->thread, NULL, serve_one, relay), 0);
	rc = tl_dial(&request, &ask, ret_dialled, err);
	pthread_join(relay->thread, NULL);
	return rc;
}

static void assert_dial(void **state, const char *answer, int expected, const char *sentence)
{
	tl_auto(tl_dialled) struct tl_dialled dialled = {.curl = NULL};
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(dial(*state, answer, strlen(answer), &dialled, &err), expected);
	assert_null(dialled.curl);
	if (!strstr(tl_err_text(&err), sentence))
		fail_msg("\"%s\" is not in \"%s\"", sentence, tl_err_text(&err));
}

static void a_101_hands_over_what_came_behind_it(void **state)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
				     "Upgrade: towline-ssh\r\n\r\nSSH-2.0-early\r\n";
	struct relay *relay = *state;
	tl_auto(tl_dialled) struct tl_dialled dialled = {.curl = NULL};
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(dial(relay, answer, sizeof(answer) - 1, &dialled, &err), 0);
	assert_string_equal(tl_buf_str(&dialled.rest), "SSH-2.0-early\r\n");
	assert_false(dialled.is_line);
	assert_non_null(strstr(relay->request, "\r\nTowline-Line: 1 - 0 0\r\n"));
	assert_non_null(
		strstr(relay->request, "GET /v1/callhome/01j00000000000000000000000 HTTP/1.1\r\n"));
	assert_non_null(strstr(relay->request, "\r\nAuthorization: Bearer the.access.token\r\n"));
	assert_non_null(strstr(relay->request, "\r\nUpgrade: towline-ssh\r\n"));
}

static void a_401_is_about_the_token(void **state)
{
	assert_dial(state, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", TL_EAUTH,
		    "did not accept this host's token");
}

static void other_answers_are_shown_with_their_first_line(void **state)
{
	assert_dial(state, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", TL_EDENIED,
		    "the relay refused the call: HTTP/1.1 403 Forbidden");
	assert_dial(state, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", TL_EDENIED,
		    "HTTP/1.1 200 OK");
	assert_dial(state, "SSH-2.0-OpenSSH_9.2\r\n\r\n", TL_EDENIED, "SSH-2.0-OpenSSH_9.2");
}

static void some_answers_ask_for_another_try(void **state)
{
	assert_dial(state, "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", TL_EBUSY,
		    "the relay refused the call: HTTP/1.1 409 Conflict");
	assert_dial(state, "HTTP/1.1 429 Too Many Requests\r\n\r\n", TL_EBUSY, "429");
	assert_dial(state, "HTTP/1.1 503 Service Unavailable\r\n\r\n", TL_EBUSY, "503");
	assert_dial(state, "HTTP/1.1 410 Gone\r\n\r\n", TL_EDENIED, "the session is over");
}

#define TOKEN "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void a_relay_that_knows_lines_says_where_it_is(void **state)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\ntowline-line:  1 " TOKEN
				     " 4711 60000\r\nUpgrade: towline-ssh\r\n\r\n";
	struct relay *relay = *state;
	tl_auto(tl_dialled) struct tl_dialled dialled = {.curl = NULL};
	struct tl_err err = TL_ERR_INIT;

	relay->hello = (struct tl_line_hello){.token = TOKEN, .received = 42};
	assert_int_equal(dial(relay, answer, sizeof(answer) - 1, &dialled, &err), 0);
	assert_non_null(strstr(relay->request, "\r\nTowline-Line: 1 " TOKEN " 42 0\r\n"));
	assert_true(dialled.is_line);
	assert_string_equal(dialled.hello.token, TOKEN);
	assert_int_equal(dialled.hello.received, 4711);
	assert_int_equal(dialled.hello.gap_ms, 60000);
}

static void a_line_that_is_none_is_refused(void **state)
{
	assert_dial(state, "HTTP/1.1 101 Switching Protocols\r\nTowline-Line: 1 - 0 60000\r\n\r\n",
		    TL_EPROTO, "is not valid");
	assert_dial(state, "HTTP/1.1 101 Switching Protocols\r\nTowline-Line: 2 x\r\n\r\n",
		    TL_EPROTO, "is not valid");
}

/* The relay's port takes the connection, and nobody answers. */
static void a_cancelled_call_ends(void **state)
{
	static const atomic_bool cancelled = true;
	struct relay *relay = *state;
	const struct tl_session_request request = {.session = "01j00000000000000000000000",
						   .relay_url = relay->url,
						   .ca_file = relay->ca};
	const struct tl_dial_ask ask = {.access_token = "the.access.token",
					.timeout_ms = TL_DIAL_TIMEOUT_MS,
					.cancelled = &cancelled};
	tl_auto(tl_dialled) struct tl_dialled dialled = {.curl = NULL};
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_dial(&request, &ask, &dialled, &err), TL_EUNREACH);
	assert_non_null(strstr(tl_err_text(&err), "cannot be called"));
}

static void an_answer_cut_short_is_no_answer(void **state)
{
	assert_dial(state, "", TL_EUNREACH, "the relay closed the call");
	assert_dial(state, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: towl", TL_EUNREACH,
		    "the relay closed the call");
}

static void an_endless_header_is_given_up(void **state)
{
	static char answer[32 * 1024];

	snprintf(answer, sizeof(answer), "HTTP/1.1 101 ");
	memset(answer + strlen(answer), 'x', sizeof(answer) - sizeof("HTTP/1.1 101 "));
	assert_dial(state, answer, TL_EPROTO, "answer is too long");
}

static void another_authority_is_not_the_relay(void **state)
{
	struct relay *relay = *state;
	struct rig_run run =
		rig_sh(relay->rig, NULL,
		       "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
		       "-subj /CN=other -days 2 -keyout other.key -out other.pem");

	rig_run_clear(&run);
	snprintf(relay->ca, sizeof(relay->ca), "%s/other.pem", rig_dir(relay->rig));
	assert_dial(state, "HTTP/1.1 101 Switching Protocols\r\n\r\n", TL_EAUTH,
		    "cannot be called");
	assert_string_equal(relay->request, ""); /* the token was not sent */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_101_hands_over_what_came_behind_it),
		T(a_401_is_about_the_token),
		T(other_answers_are_shown_with_their_first_line),
		T(some_answers_ask_for_another_try),
		T(a_relay_that_knows_lines_says_where_it_is),
		T(a_line_that_is_none_is_refused),
		T(a_cancelled_call_ends),
		T(an_answer_cut_short_is_no_answer),
		T(an_endless_header_is_given_up),
		T(another_authority_is_not_the_relay),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
