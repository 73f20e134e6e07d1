#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "relay/ca.h"

/* Stands for towline-intake: its facts are what the upload's text says, its own hash is true. */
static const char intake_script[] =
	"#!/bin/sh\n"
	"body=$(cat)\n"
	"case $body in bad*) echo '{\"ok\":false,\"code\":\"EACCES\",\"text\":\"a member is called "
	"../etc/passwd\"}'; "
	"exit 65;; broken*) exit 70;; esac\n"
	"sha=$(printf %s \"$body\" | /usr/bin/sha256sum | /usr/bin/cut -d' ' -f1)\n"
	"case $body in sealed*) printf '{\"ok\":true,\"kind\":\"sealed\",\"packed_bytes\":1,"
	"\"sha256\":\"%s\",\"recipients\":[{\"issuer\":\"CN=Rita\",\"serial\":\"1267\"}]}\\n' "
	"\"$sha\"; "
	"exit;; esac\n"
	"printf '{\"ok\":true,\"bundle\":\"%s\",\"sha256\":\"%s\",\"index_sha256\":\"%064d\",'"
	" \"${body%% *}\" \"$sha\" 7\n"
	"printf "
	"'\"packed_bytes\":1,\"unpacked_bytes\":10,\"members\":3,\"manifest\":{\"schema\":1},"
	"\"redaction\":{\"password\":2},\"errors\":[],\"files\":[]}\\n'\n";

static void must(int r, const struct tl_err *err)
{
	if (r)
		fail_msg("%s", tl_err_text(err));
}

static void write_text(const char *path, const char *text, size_t len, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fchmod(fileno(file), mode), 0);
	assert_int_equal(fclose(file), 0);
}

static void make_certificate(struct rig *rig, char *certificate, char *key)
{
	tl_auto(tl_buf) struct tl_buf ca_pem = TL_BUF_INIT(16384), ca_key = TL_BUF_INIT(16384);
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(16384), key_pem = TL_BUF_INIT(16384);
	tl_auto(tl_strv) struct tl_strv names = TL_STRV_INIT;
	tl_auto(tl_ca) struct tl_ca *ca = NULL;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_strv_push(&names, "127.0.0.1"), 0);
	must(tl_ca_new("Test", &ca, &err), &err);
	must(tl_ca_write(ca, &ca_pem, &ca_key, &err), &err);
	must(tl_ca_issue(ca, &names, &pem, &key_pem, &err), &err);
	write_text(rig->ca_file, ca_pem.data, ca_pem.len, 0644);
	write_text(certificate, pem.data, pem.len, 0644);
	write_text(key, key_pem.data, key_pem.len, 0600);
	must(tl_ca_fingerprint(ca_pem.data, ca_pem.len, rig->desk.ca_sha256, &err), &err);
	rig->desk.ca_pem = tl_buf_take(&ca_pem);
}

static int open_worker(void *user, void **ret_worker, struct tl_err *err)
{
	const struct tl_desk *desk = user;
	struct tl_store *store;
	int r = tl_store_open(desk->store_url, &store, err);

	if (r == 0)
		*ret_worker = store;
	return r;
}

static void close_worker(void *worker)
{
	tl_store_close(worker);
}

static void start_http(struct rig *rig, const char *certificate, const char *key)
{
	struct tl_http_config config;
	struct tl_err err = TL_ERR_INIT;

	tl_http_config_init(&config);
	config.listen = "127.0.0.1:0";
	config.certificate_file = certificate;
	config.key_file = key;
	config.loops = 1;
	config.workers = 2;
	config.routes = tl_desk_routes(&config.route_count);
	config.authenticate = tl_desk_authenticate;
	config.worker_open = open_worker;
	config.worker_close = close_worker;
	config.user = &rig->desk;
	must(tl_http_start(&config, &rig->http, &err), &err);
	rig->desk.http = rig->http;
	snprintf(rig->url, sizeof rig->url, "https://127.0.0.1:%u", tl_http_port(rig->http));
}

static int make_organisation(struct tl_change *change, void *arg, struct tl_err *err)
{
	(void)arg;
	return tl_organisation_ensure(change, "Test", err);
}

static void run_change(struct rig *rig, int (*body)(struct tl_change *, void *, struct tl_err *),
		       void *arg)
{
	struct tl_change change;
	struct tl_err err = TL_ERR_INIT;

	tl_change_init_system(&change, rig->store, &rig->clock.clock, NULL, body, arg);
	must(tl_change_run(&change, &err), &err);
}

static void fill_desk(struct rig *rig)
{
	struct tl_desk *desk = &rig->desk;
	struct tl_err err = TL_ERR_INIT;

	desk->clock = &rig->clock.clock;
	snprintf(desk->relay_id, sizeof desk->relay_id, "%s", tl_id_new(desk->clock).text);
	desk->name = "Test relay";
	desk->public_url = "https://relay.example";
	desk->store_url = rig->place->url;
	desk->ssh_host_key = strdup("ssh-ed25519 AAAA");
	desk->intake_program = strdup(rig->intake);
	desk->max_bundle_bytes = 1024 * 1024;
	desk->host_quota_bytes = 2 * 1024 * 1024;
	desk->host_tickets_max = 40;
	desk->max_recording_bytes = 1024 * 1024;
	desk->grant_life_ms = 300000;
	desk->session_max_s = 3600;
	desk->broker = tl_broker_new();
	desk->terminals = tl_terminals_new();
	desk->presence = tl_presence_new();
	desk->throttle = tl_throttle_new(desk->clock);
	must(tl_key_generate(&desk->authority, &err), &err);
	must(tl_key_generate(&desk->token_key, &err), &err);
	must(tl_blobs_open(rig->blobs_url, &desk->blobs, &err), &err);
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof *rig);
	char certificate[256], key[256];
	void *place;

	if (!rig || place_setup(&place))
		return -1;
	rig->place = place;
	rig->store = rig->place->store;
	tl_clock_fake_init(&rig->clock, RIG_NOW_MS);
	snprintf(rig->blobs_url, sizeof rig->blobs_url, "file:%s/blobs", rig->place->dir);
	snprintf(rig->intake, sizeof rig->intake, "%s/intake", rig->place->dir);
	snprintf(rig->ca_file, sizeof rig->ca_file, "%s/ca.pem", rig->place->dir);
	snprintf(certificate, sizeof certificate, "%s/server.pem", rig->place->dir);
	snprintf(key, sizeof key, "%s/server.key", rig->place->dir);
	write_text(rig->intake, intake_script, strlen(intake_script), 0700);
	make_certificate(rig, certificate, key);
	fill_desk(rig);
	run_change(rig, make_organisation, NULL);
	start_http(rig, certificate, key);
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;
	void *place = rig->place;

	tl_http_stop(rig->http, 1000);
	tl_http_free(rig->http);
	tl_desk_clear(&rig->desk);
	free(rig);
	return place_teardown(&place);
}

/* ---- asking ----------------------------------------------------------------------------------- */

void reply_clear(struct reply *reply)
{
	json_decref(reply->json);
	reply->json = NULL;
}

static size_t append(char *to, size_t size, const char *bytes, size_t len)
{
	size_t have = strlen(to), room = size - have - 1, taken = len < room ? len : room;

	memcpy(to + have, bytes, taken);
	to[have + taken] = '\0';
	return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	return append(((struct reply *)arg)->text, sizeof((struct reply *)0)->text, bytes,
		      size * count);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
	return append(((struct reply *)arg)->headers, sizeof((struct reply *)0)->headers, bytes,
		      size * count);
}

static struct curl_slist *make_headers(const struct ask *ask)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	char line[4096];
	size_t i;

	if (ask->token) {
		snprintf(line, sizeof line, "Authorization: Bearer %s", ask->token);
		list = curl_slist_append(list, line);
	}
	if (ask->json)
		list = curl_slist_append(list, "Content-Type: application/json");
	if (ask->bytes)
		list = curl_slist_append(list, "Content-Type: application/offset+octet-stream");
	if (ask->chunked)
		list = curl_slist_append(list, "Transfer-Encoding: chunked");
	for (i = 0; i < TL_ARRAY_LEN(ask->headers) && ask->headers[i]; i++)
		list = curl_slist_append(list, ask->headers[i]);
	return list;
}

static void set_body(CURL *curl, const struct ask *ask)
{
	const char *text = ask->json ? ask->json : ask->form;

	if (!text && !ask->bytes)
		return;
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)(text ? strlen(text) : ask->len));
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text ? text : (const char *)ask->bytes);
}

void rig_ask(struct rig *rig, const struct ask *ask, struct reply *ret_reply)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = make_headers(ask);
	char url[512];
	CURLcode code;

	assert_non_null(curl);
	memset(ret_reply, 0, sizeof *ret_reply);
	snprintf(url, sizeof url, "%s%s", rig->url, ask->path);
	set_body(curl, ask);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CAINFO, rig->ca_file);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask->method);
	curl_easy_setopt(curl, CURLOPT_NOBODY, (long)tl_streq(ask->method, "HEAD"));
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret_reply);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, ret_reply);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret_reply->status);
	if (code != CURLE_OK && ret_reply->status == 0)
		fail_msg("%s %s: %s", ask->method, ask->path, curl_easy_strerror(code));
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	if (tl_json_parse(ret_reply->text, strlen(ret_reply->text), &ret_reply->json, NULL))
		ret_reply->json = NULL;
}

void reply_header(const struct reply *reply, const char *name, char value[static 256])
{
	const char *at = reply->headers;
	size_t len = strlen(name);

	value[0] = '\0';
	while (at && *at) {
		if (!strncasecmp(at, name, len) && at[len] == ':') {
			snprintf(value, 256, "%.*s", (int)strcspn(at + len + 2, "\r\n"),
				 at + len + 2);
			return;
		}
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
}

void assert_status(const struct reply *reply, long status)
{
	if (reply->status != status)
		fail_msg("status %ld, not %ld: %s", reply->status, status, reply->text);
}

const char *reply_text(const struct reply *reply, const char *member)
{
	const char *text = json_string_value(json_object_get(reply->json, member));

	return text ? text : "";
}

void assert_problem(const struct reply *reply, long status, const char *slug)
{
	char type[128];

	snprintf(type, sizeof type, "urn:towline:problem:%s", slug);
	assert_status(reply, status);
	assert_string_equal(reply_text(reply, "type"), type);
}

/* ---- people and hosts ------------------------------------------------------------------------- */

struct person {
	const char *login, *roles;
	char *token;
};

static int add_person(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct person *person = arg;
	struct tl_user_new user = {.login = person->login, .name = person->login};
	char id[TL_ID_LEN + 1];
	int r;

	if ((r = tl_roles_parse(person->roles, &user.roles, err)) ||
	    (r = tl_user_add(change, &user, err)))
		return r;
	return tl_api_token_create(change, person->login, "test", 0, id, person->token, err);
}

void rig_person(struct rig *rig, const char *login, const char *roles,
		char token[static TL_TOKEN_TEXT_MAX])
{
	run_change(rig, add_person, &(struct person){login, roles, token});
}

static int add_token(struct tl_change *change, void *arg, struct tl_err *err)
{
	return tl_enrol_token_create(change,
				     &(struct tl_enrol_token_new){"https://relay.example", "00",
								  TL_ENROL_LIFE_MS},
				     arg, err);
}

void rig_secret(struct rig *rig, char secret[static 64])
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(4096), text = TL_BUF_INIT(4096);
	tl_json *token = NULL;

	run_change(rig, add_token, &line);
	assert_true(tl_str_starts(line.data, "tl1."));
	assert_int_equal(tl_base64url_decode(&text, line.data + 4, line.len - 4), 0);
	assert_int_equal(tl_json_parse(text.data, text.len, &token, NULL), 0);
	snprintf(secret, 64, "%s", json_string_value(json_object_get(token, "s")));
}

void rig_sign(const struct tl_key *key, const char *typ, json_t *claims, char *token, size_t size)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(65536);
	tl_json *owned = claims;
	struct tl_err err = TL_ERR_INIT;

	must(tl_jwt_sign(key, typ, owned, &text, &err), &err);
	assert_true(text.len < size);
	snprintf(token, size, "%s", tl_buf_str(&text));
}

static void public_text(const struct tl_key *key, struct tl_buf *out)
{
	uint8_t public[TL_ED25519_PUBLIC_LEN];

	tl_key_public(key, public);
	tl_base64url_encode(out, public, sizeof public);
}

void rig_enrolment(struct rig *rig, const struct host *host, const char *name, const char *secret,
		   int64_t at_ms, char body[static 4096])
{
	tl_auto(tl_buf) struct tl_buf public = TL_BUF_INIT(64), consent = TL_BUF_INIT(64);
	char sha256[TL_SHA256_HEX], proof[2048];

	public_text(host->key, &public);
	public_text(host->consent_key, &consent);
	tl_sha256_hex_of(secret, strlen(secret), sha256);
	rig_sign(host->key, TL_JWT_ASSERTION,
		 json_pack("{s:s, s:s, s:I, s:I}", "aud", rig->desk.relay_id, "sha256", sha256,
			   "iat", (json_int_t)(at_ms / 1000), "exp",
			   (json_int_t)(at_ms / 1000 + 60)),
		 proof, sizeof proof);
	snprintf(body, 4096,
		 "{\"secret\":\"%s\",\"name\":\"%s\",\"public_key\":\"%s\",\"consent_key\":\"%s\","
		 "\"ssh_host_key\":\"ssh-ed25519 "
		 "AAAA\",\"agent_version\":\"0.1.0\",\"proof\":\"%s\"}",
		 secret, name, tl_buf_str(&public), tl_buf_str(&consent), proof);
}

void host_make_keys(struct host *host)
{
	assert_int_equal(tl_key_generate(&host->key, NULL), 0);
	assert_int_equal(tl_key_generate(&host->consent_key, NULL), 0);
}

static void sign_in(struct rig *rig, struct host *host)
{
	tl_auto(reply) struct reply reply;
	char assertion[1024], form[2048];
	int64_t now_s = rig->clock.wall_now_ms / 1000;

	rig_sign(host->key, TL_JWT_ASSERTION,
		 json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", host->id, "sub", host->id,
			   "aud", rig->desk.relay_id, "jti", host->id, "iat", (json_int_t)now_s,
			   "exp", (json_int_t)(now_s + 60)),
		 assertion, sizeof assertion);
	snprintf(form, sizeof form,
		 "grant_type=client_credentials&client_assertion_type=urn%%3Aietf%%3Aparams%%"
		 "3Aoauth%%3A"
		 "client-assertion-type%%3Ajwt-bearer&client_assertion=%s",
		 assertion);
	rig_ask(rig, &(struct ask){.method = "POST", .path = "/v1/oauth/token", .form = form},
		&reply);
	assert_status(&reply, 200);
	snprintf(host->token, sizeof host->token, "%s", reply_text(&reply, "access_token"));
}

void rig_host(struct rig *rig, const char *name, struct host *ret_host)
{
	tl_auto(reply) struct reply reply;
	char secret[64], body[4096];

	memset(ret_host, 0, sizeof *ret_host);
	host_make_keys(ret_host);
	rig_secret(rig, secret);
	rig_enrolment(rig, ret_host, name, secret, rig->clock.wall_now_ms, body);
	rig_ask(rig, &(struct ask){.method = "POST", .path = "/v1/enroll", .json = body}, &reply);
	assert_status(&reply, 201);
	snprintf(ret_host->id, sizeof ret_host->id, "%s", reply_text(&reply, "host_id"));
	sign_in(rig, ret_host);
}

void host_clear(struct host *host)
{
	tl_key_free(host->key);
	tl_key_free(host->consent_key);
}

void rig_ticket(struct rig *rig, const struct host *host, char number[static 33])
{
	tl_auto(reply) struct reply reply;

	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/tickets",
			      .token = host->token,
			      .json = "{\"summary\":\"it is slow\"}"},
		&reply);
	assert_status(&reply, 201);
	snprintf(number, 33, "%s", reply_text(&reply, "number"));
}
