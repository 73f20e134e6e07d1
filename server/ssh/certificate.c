#include "ssh/certificate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <towline/sshkey.h>

#include "desk/ssh_ca.h"
#include "http/proxy.h"

#define TYPE_USER 1
#define LINE_MAX_BYTES 8192
#define CIDRS_MAX 64

/* Certificate types, and how many fields of the plain key stand behind the nonce. */
static const struct certificate_type {
	const char *name, *plain;
	unsigned fields;
} types[] = {
	{"ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", 1},
	{"sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", 2},
	{"ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256", 2},
	{"ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384", 2},
	{"ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521", 2},
	{"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", 3},
	{"ssh-rsa-cert-v01@openssh.com", "ssh-rsa", 2},
};

static const struct certificate_type *find_type(struct tl_ssh_string name)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(types); i++)
		if (tl_ssh_string_is(name, types[i].name))
			return &types[i];
	return NULL;
}

bool tl_certificate_is_type(const char *name, size_t len)
{
	return find_type((struct tl_ssh_string){(const uint8_t *)name, len}) != NULL;
}

void tl_certificate_clear(struct tl_certificate *certificate)
{
	free(certificate->key_text);
	free(certificate->authority_text);
	free(certificate->source_address);
	tl_strv_clear(&certificate->principals);
	*certificate = (struct tl_certificate){.key_text = NULL};
}

/* ---- reading ----------------------------------------------------------------------------------- */

static int damaged(struct tl_err *err)
{
	return tl_err_set(err, TL_EINVAL, "the certificate is damaged");
}

static struct tl_ssh_reader reader_of(struct tl_ssh_string string)
{
	return (struct tl_ssh_reader){.at = string.bytes, .left = string.len};
}

static char *base64_of(const void *bytes, size_t len)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_CERTIFICATE_BYTES_MAX * 2);

	tl_base64_encode(&text, bytes, len);
	return tl_buf_check(&text) ? NULL : tl_buf_take(&text);
}

/* The plain key's blob is its type and the fields as they stand in the certificate. */
static int read_key(struct tl_ssh_reader *reader, const struct certificate_type *type,
		    struct tl_certificate *certificate)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_CERTIFICATE_BYTES_MAX);
	const uint8_t *from = reader->at;

	for (unsigned i = 0; i < type->fields; i++)
		(void)tl_ssh_read_string(reader);
	tl_ssh_put_text(&blob, type->plain);
	tl_buf_append(&blob, from, (size_t)(reader->at - from));
	if (reader->bad || tl_buf_check(&blob))
		return TL_EINVAL;
	certificate->key_text = base64_of(blob.data, blob.len);
	return certificate->key_text ? 0 : TL_ENOMEM;
}

static int read_principals(struct tl_ssh_string list, struct tl_certificate *certificate)
{
	struct tl_ssh_reader reader = reader_of(list);

	while (reader.left > 0 && !reader.bad) {
		char name[TL_CERTIFICATE_NAME_MAX + 1];

		if (!tl_ssh_string_text(tl_ssh_read_string(&reader), name, sizeof name) ||
		    certificate->principals.count == TL_CERTIFICATE_PRINCIPALS_MAX)
			return TL_EINVAL;
		if (tl_strv_push(&certificate->principals, name))
			return TL_ENOMEM;
	}
	return reader.bad ? TL_EINVAL : 0;
}

/* A critical option that is not known here must refuse the certificate. */
static int read_critical(struct tl_ssh_string list, struct tl_certificate *certificate,
			 struct tl_err *err)
{
	struct tl_ssh_reader reader = reader_of(list);

	while (reader.left > 0 && !reader.bad) {
		struct tl_ssh_string name = tl_ssh_read_string(&reader);
		struct tl_ssh_reader data = reader_of(tl_ssh_read_string(&reader));
		char text[LINE_MAX_BYTES];

		if (!tl_ssh_string_is(name, "source-address"))
			return tl_err_set(err, TL_EUNSUPPORTED,
					  "the certificate has a critical option that is not "
					  "supported here (only source-address is)");
		if (certificate->source_address ||
		    !tl_ssh_string_text(tl_ssh_read_string(&data), text, sizeof text) || data.bad ||
		    data.left > 0)
			return damaged(err);
		certificate->source_address = strdup(text);
		if (!certificate->source_address)
			return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	return reader.bad ? damaged(err) : 0;
}

/* Extensions only permit: an unknown one permits nothing here. */
static int read_extensions(struct tl_ssh_string list, struct tl_certificate *certificate)
{
	struct tl_ssh_reader reader = reader_of(list);

	while (reader.left > 0 && !reader.bad) {
		struct tl_ssh_string name = tl_ssh_read_string(&reader);

		(void)tl_ssh_read_string(&reader);
		certificate->permits_pty |= tl_ssh_string_is(name, "permit-pty");
		certificate->permits_forwarding |= tl_ssh_string_is(name, "permit-port-forwarding");
		certificate->permits_agent |= tl_ssh_string_is(name, "permit-agent-forwarding");
		certificate->second_factor |= tl_ssh_string_is(name, TL_SSH_CA_SECOND_FACTOR);
	}
	return reader.bad ? TL_EINVAL : 0;
}

struct fields {
	uint32_t type;
	struct tl_ssh_string key_id, principals, critical, extensions, authority, signature;
	size_t signed_len;
};

static void read_fields(struct tl_ssh_reader *reader, const uint8_t *start,
			struct tl_certificate *certificate, struct fields *fields)
{
	certificate->serial = tl_ssh_read_u64(reader);
	fields->type = tl_ssh_read_u32(reader);
	fields->key_id = tl_ssh_read_string(reader);
	fields->principals = tl_ssh_read_string(reader);
	certificate->valid_after_s = tl_ssh_read_u64(reader);
	certificate->valid_before_s = tl_ssh_read_u64(reader);
	fields->critical = tl_ssh_read_string(reader);
	fields->extensions = tl_ssh_read_string(reader);
	(void)tl_ssh_read_string(reader); /* reserved */
	fields->authority = tl_ssh_read_string(reader);
	fields->signed_len = (size_t)(reader->at - start);
	fields->signature = tl_ssh_read_string(reader);
}

static int take_fields(const struct fields *fields, struct tl_certificate *certificate,
		       struct tl_err *err)
{
	int r;

	if (fields->type != TYPE_USER)
		return tl_err_set(err, TL_EUNSUPPORTED, "the certificate is not a user's");
	if (!tl_ssh_string_text(fields->key_id, certificate->key_id, sizeof certificate->key_id) ||
	    read_principals(fields->principals, certificate) ||
	    read_extensions(fields->extensions, certificate))
		return damaged(err);
	r = read_critical(fields->critical, certificate, err);
	if (r < 0)
		return r;
	certificate->authority_text = base64_of(fields->authority.bytes, fields->authority.len);
	return certificate->authority_text ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

int tl_certificate_read(const void *blob, size_t len, struct tl_certificate *ret_certificate,
			struct tl_err *err)
{
	struct tl_ssh_reader reader = {.at = blob, .left = len};
	const struct certificate_type *type = find_type(tl_ssh_read_string(&reader));
	struct fields fields;
	int r;

	if (len > TL_CERTIFICATE_BYTES_MAX || !type)
		return tl_err_set(err, TL_EUNSUPPORTED,
				  "the certificate is of a type that is not accepted");
	(void)tl_ssh_read_string(&reader); /* nonce */
	r = read_key(&reader, type, ret_certificate);
	if (r < 0)
		return damaged(err);
	read_fields(&reader, blob, ret_certificate, &fields);
	if (reader.bad || reader.left > 0)
		return damaged(err);
	r = tl_sshkey_verify(fields.authority, fields.signature,
			     (struct tl_ssh_string){blob, fields.signed_len}, err);
	if (r < 0) {
		tl_err_prefix(err, "the certificate's signature");
		if (err && r == TL_ESIG)
			err->code = TL_EINVAL;
		return r == TL_ESIG ? TL_EINVAL : r;
	}
	return take_fields(&fields, ret_certificate, err);
}

/* ---- judging ----------------------------------------------------------------------------------- */

static int refuse(struct tl_err *err, const char *text)
{
	return tl_err_set(err, TL_EAUTH, "%s", text);
}

/* Copies the next line that says something; false at the end. */
static bool next_line(const char **at, char line[static LINE_MAX_BYTES], bool *ret_too_long)
{
	while (**at) {
		size_t len = strcspn(*at, "\n"), start = strspn(*at, " \t");
		const char *from = *at + start;

		*at += len + ((*at)[len] == '\n');
		if (start >= len || *from == '#' || *from == '\r')
			continue;
		len -= start;
		*ret_too_long = len >= LINE_MAX_BYTES;
		if (*ret_too_long)
			return true;
		memcpy(line, from, len);
		while (len > 0 && strchr(" \t\r", line[len - 1]))
			len--;
		line[len] = '\0';
		return true;
	}
	return false;
}

static bool is_authority(const char *line, const char *key_text)
{
	const char *key = line + strcspn(line, " \t");
	size_t len;

	key += strspn(key, " \t");
	len = strcspn(key, " \t");
	return len > 0 && len == strlen(key_text) && memcmp(key, key_text, len) == 0;
}

static int judge_authority(const struct tl_certificate *certificate,
			   const struct tl_certificate_rules *rules, struct tl_err *err)
{
	const char *at = rules->authorities ? rules->authorities : "";
	char line[LINE_MAX_BYTES];
	bool too_long = false;

	while (next_line(&at, line, &too_long) && !too_long)
		if (is_authority(line, certificate->authority_text))
			return 0;
	return refuse(err, "the certificate's authority is not one of this relay's");
}

/* 1: this line revokes it; 0: it does not; negative: the line is not understood. `certificate` NULL: a
 * plain key, which has neither serial nor id. */
static int judge_line(const char *line, const char *key_text,
		      const struct tl_certificate *certificate)
{
	uint64_t serial;

	if (tl_str_starts(line, "serial "))
		return tl_str_u64(line + 7, UINT64_MAX, &serial)
			       ? TL_EINVAL
			       : certificate && serial == certificate->serial;
	if (tl_str_starts(line, "id "))
		return certificate && tl_streq(line + 3, certificate->key_id);
	if (tl_str_starts(line, "key "))
		return tl_streq(line + 4, key_text);
	return TL_EINVAL;
}

int tl_certificate_judge_revoked(const char *revoked, const char *key_text,
				 const struct tl_certificate *certificate, struct tl_err *err)
{
	const char *at = revoked ? revoked : "";
	char line[LINE_MAX_BYTES];
	bool too_long = false;

	while (next_line(&at, line, &too_long)) {
		int r = too_long ? TL_EINVAL : judge_line(line, key_text, certificate);

		if (r < 0)
			return refuse(err, "the list of revoked certificates has a line that is "
					   "none: nobody is let in");
		if (r > 0)
			return refuse(err, certificate ? "the certificate was revoked"
						       : "the key was revoked");
	}
	return 0;
}

static int judge_address(const struct tl_certificate *certificate, const char *address,
			 struct tl_err *err)
{
	tl_auto(tl_strv) struct tl_strv cidrs = TL_STRV_INIT;
	struct tl_address peer;
	struct tl_trust *trust = NULL;
	const char *at = certificate->source_address;
	bool inside;

	for (; at && *at && cidrs.count < CIDRS_MAX; at += *at == ',') {
		size_t len = strcspn(at, ",");
		tl_free char *cidr = strndup(at, len);

		if (!cidr || tl_strv_push(&cidrs, cidr))
			return tl_err_set(err, TL_ENOMEM, "out of memory");
		at += len;
	}
	if (!at)
		return 0;
	if (*at || !address || !tl_address_parse(address, strlen(address), &peer) ||
	    tl_trust_new((const char *const *)cidrs.items, &trust, NULL) < 0)
		return refuse(err, "the certificate's source-address is not understood");
	inside = tl_trust_has(trust, &peer);
	tl_trust_free(trust);
	return inside ? 0 : refuse(err, "the certificate is not for this address");
}

int tl_certificate_judge(const struct tl_certificate *certificate,
			 const struct tl_certificate_rules *rules, struct tl_err *err)
{
	uint64_t now = rules->now_s > 0 ? (uint64_t)rules->now_s : 0;
	int r = judge_authority(certificate, rules, err);

	if (r == 0)
		r = tl_certificate_judge_revoked(rules->revoked, certificate->key_text, certificate,
						 err);
	if (r < 0)
		return r;
	if (certificate->principals.count == 0)
		return refuse(err, "the certificate names no principal");
	if (now < certificate->valid_after_s)
		return refuse(err, "the certificate is not valid yet");
	if (now >= certificate->valid_before_s)
		return refuse(err, "the certificate has expired");
	return judge_address(certificate, rules->address, err);
}
