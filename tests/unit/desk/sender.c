#include "sender.h"

#include <stdio.h>
#include <string.h>
#include <towline/str.h>

void sender_clear(struct sender *sender)
{
	host_clear(&sender->host);
}
void sender_make(struct rig *rig, const char *text_prefix, struct sender *sender)
{
	memset(sender, 0, sizeof *sender);
	rig_host(rig, "web", &sender->host);
	rig_ticket(rig, &sender->host, sender->ticket);
	snprintf(sender->bundle, sizeof sender->bundle, "%s", tl_id_new(&rig->clock.clock).text);
	snprintf(sender->text, sizeof sender->text, "%s%s is the bundle of this test", text_prefix,
		 sender->bundle);
	tl_sha256_hex_of(sender->text, strlen(sender->text), sender->sha256);
}

static void add_pair(struct tl_buf *out, const char *key, const char *value)
{
	tl_buf_printf(out, "%s%s ", out->len > 16 ? "," : "", key);
	tl_base64_encode(out, value, strlen(value));
}

/* The Upload-Metadata header, signed by `signer` for `signed_sha256`. */
void sender_metadata(struct rig *rig, const struct sender *s, const struct tl_key *signer,
		     const char *signed_sha256, char *header, size_t size)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(16384);
	char jws[2048], consent[2048], index_sha256[TL_SHA256_HEX];

	snprintf(index_sha256, sizeof index_sha256, "%064d", 7);
	rig_sign(signer, TL_JWT_BUNDLE,
		 json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "iss", s->host.id, "aud",
			   rig->desk.relay_id, "bundle", s->bundle, "sha256", signed_sha256,
			   "index_sha256", index_sha256, "ticket", s->ticket, "size",
			   (json_int_t)strlen(s->text)),
		 jws, sizeof jws);
	rig_sign(s->host.consent_key, TL_JWT_CONSENT,
		 json_pack("{s:s, s:s, s:s, s:s}", "host", s->host.id, "what", "bundle", "subject",
			   signed_sha256, "decision", "yes"),
		 consent, sizeof consent);
	tl_buf_puts(&out, "Upload-Metadata:");
	add_pair(&out, "kind", "bundle");
	add_pair(&out, "ticket", s->ticket);
	add_pair(&out, "bundle", s->bundle);
	add_pair(&out, "sha256", signed_sha256);
	add_pair(&out, "jws", jws);
	add_pair(&out, "consent", consent);
	assert_true(out.len < size);
	memcpy(header, tl_buf_str(&out), out.len + 1);
}

void sender_post(struct rig *rig, const struct sender *s, const char *metadata, long length,
		 struct reply *ret_reply)
{
	char upload_length[64];

	snprintf(upload_length, sizeof upload_length, "Upload-Length: %ld", length);
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/uploads",
			      .token = s->host.token,
			      .headers = {TUS, upload_length, metadata}},
		ret_reply);
}

void sender_create_as(struct rig *rig, struct sender *s, const struct tl_key *signer,
		      const char *sha256)
{
	tl_auto(reply) struct reply reply;
	char metadata[12000];

	sender_metadata(rig, s, signer, sha256, metadata, sizeof metadata);
	sender_post(rig, s, metadata, (long)strlen(s->text), &reply);
	assert_status(&reply, 201);
	reply_header(&reply, "Location", s->location);
	assert_true(tl_str_starts(s->location, "/v1/uploads/"));
}

void sender_create(struct rig *rig, struct sender *s)
{
	sender_create_as(rig, s, s->host.key, s->sha256);
}

void sender_patch(struct rig *rig, const struct sender *s, const void *bytes, size_t len,
		  size_t offset, bool chunked, struct reply *ret_reply)
{
	char header[64];

	snprintf(header, sizeof header, "Upload-Offset: %zu", offset);
	rig_ask(rig,
		&(struct ask){.method = "PATCH",
			      .path = s->location,
			      .token = s->host.token,
			      .bytes = bytes,
			      .len = len,
			      .chunked = chunked,
			      .headers = {TUS, header}},
		ret_reply);
}

void assert_offset(struct rig *rig, const struct sender *s, const char *expected)
{
	tl_auto(reply) struct reply reply;
	char offset[256];

	rig_ask(rig,
		&(struct ask){.method = "HEAD",
			      .path = s->location,
			      .token = s->host.token,
			      .headers = {TUS}},
		&reply);
	assert_status(&reply, 200);
	reply_header(&reply, "Upload-Offset", offset);
	assert_string_equal(offset, expected);
}

void sender_send_all(struct rig *rig, const struct sender *s, struct reply *ret_reply)
{
	sender_patch(rig, s, s->text, strlen(s->text), 0, false, ret_reply);
}
