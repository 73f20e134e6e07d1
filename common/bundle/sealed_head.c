/* Whom a sealed file is for, read from its hostile beginning. Part of towline/sealed.h. The encoding is
 * BER (X.690): each value is a tag, a length and that many bytes; of the outermost three the length
 * may be left open. Structures are those of RFC 5652 §6.2 and RFC 5083 §2.1. */
#include <towline/sealed.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>
#include <towline/str.h>

#define TAG_INTEGER 0x02
#define TAG_OCTETS 0x04
#define TAG_OID 0x06
#define TAG_SEQUENCE 0x30
#define TAG_SET 0x31
#define TAG_KEY_ID 0x80	   /* [0] IMPLICIT OCTET STRING */
#define TAG_CONTEXT_0 0xa0 /* constructed */
#define TAG_CONTEXT_1 0xa1
#define LISTED_MAX 256
#define KEY_ID_MAX 64
#define NAME_MAX_BYTES 1024

/* id-ct-authEnvelopedData, 1.2.840.113549.1.9.16.1.23 */
static const uint8_t auth_enveloped[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
					 0x01, 0x09, 0x10, 0x01, 0x17};

struct span {
	const uint8_t *at, *end;
};

struct value {
	uint8_t tag;
	bool is_open;	    /* the length is left open */
	size_t len;	    /* may reach beyond the bytes at hand */
	struct span inside; /* as far as there are bytes */
};

/* Takes one value's head off `span`. The span then stands behind the value, or inside it where its
 * length is open. */
static bool take(struct span *span, struct value *ret_value)
{
	struct value value = {.tag = 0};
	size_t left = (size_t)(span->end - span->at), count;

	if (left < 2 || (span->at[0] & 0x1f) == 0x1f)
		return false;
	value.tag = *span->at++;
	value.len = *span->at++;
	count = value.len & 0x7f;
	if (value.len == 0x80) {
		value.is_open = true;
		value.inside = *span;
		*ret_value = value;
		return true;
	}
	if (value.len > 0x80) {
		if (count > 8 || left - 2 < count)
			return false;
		for (value.len = 0; count > 0; count--)
			value.len = value.len << 8 | *span->at++;
	}
	left = (size_t)(span->end - span->at);
	value.inside = (struct span){span->at, span->at + (value.len < left ? value.len : left)};
	span->at = value.inside.end;
	*ret_value = value;
	return true;
}

/* A value of this tag that is there whole. */
static bool take_whole(struct span *span, uint8_t tag, struct value *ret_value)
{
	return take(span, ret_value) && ret_value->tag == tag && !ret_value->is_open &&
	       (size_t)(ret_value->inside.end - ret_value->inside.at) == ret_value->len;
}

/* Enters a value of this tag: `span` becomes its inside. */
static bool enter(struct span *span, uint8_t tag)
{
	struct value value;

	if (!take(span, &value) || value.tag != tag)
		return false;
	*span = value.inside;
	return true;
}

static bool enter_content(struct span *span)
{
	struct value oid;

	return enter(span, TAG_SEQUENCE) && take_whole(span, TAG_OID, &oid) &&
	       oid.len == sizeof auth_enveloped &&
	       memcmp(oid.inside.at, auth_enveloped, oid.len) == 0;
}

bool tl_sealed_is(const void *head, size_t len)
{
	struct span span = {head, (const uint8_t *)head + len};

	return enter_content(&span);
}

static json_t *hex_of(const struct value *value)
{
	char hex[KEY_ID_MAX * 2 + 1];
	size_t len = value->len < KEY_ID_MAX ? value->len : KEY_ID_MAX;

	tl_hex_encode(value->inside.at, len, hex);
	return json_string(hex);
}

/* RFC 4514's form, in which control characters are escaped. */
static json_t *issuer_of(const struct value *name, const uint8_t *begin)
{
	const unsigned char *at = begin;
	X509_NAME *parsed = d2i_X509_NAME(NULL, &at, name->inside.end - begin);
	BIO *out = BIO_new(BIO_s_mem());
	json_t *text = NULL;
	char *bytes;
	long len;

	if (parsed && out && X509_NAME_print_ex(out, parsed, 0, XN_FLAG_RFC2253) >= 0) {
		len = BIO_get_mem_data(out, &bytes);
		text = json_stringn(bytes, len < NAME_MAX_BYTES ? (size_t)len : NAME_MAX_BYTES);
	}
	BIO_free(out);
	X509_NAME_free(parsed);
	ERR_clear_error();
	return text ? text : json_string("");
}

/* A recipient's identifier: SEQUENCE { Name, serial }, or its key's. */
static bool add_identifier(struct span *span, json_t *list)
{
	struct span inside = *span, peek = *span;
	const uint8_t *name_at;
	struct value value, serial;

	if (!take(&peek, &value) || value.is_open || json_array_size(list) >= LISTED_MAX)
		return false;
	if (value.tag == TAG_KEY_ID && take_whole(span, TAG_KEY_ID, &value))
		return json_array_append_new(list, json_pack("{s:o}", "key_id", hex_of(&value))) ==
		       0;
	if (value.tag == TAG_CONTEXT_0 && enter(&inside, TAG_CONTEXT_0) &&
	    take_whole(&inside, TAG_OCTETS, &value))
		return json_array_append_new(list, json_pack("{s:o}", "key_id", hex_of(&value))) ==
		       0;
	if (value.tag != TAG_SEQUENCE || !take_whole(span, TAG_SEQUENCE, &value))
		return false;
	inside = value.inside;
	name_at = inside.at;
	if (!take_whole(&inside, TAG_SEQUENCE, &value) ||
	    !take_whole(&inside, TAG_INTEGER, &serial))
		return false;
	return json_array_append_new(list,
				     json_pack("{s:o, s:o}", "issuer", issuer_of(&value, name_at),
					       "serial", hex_of(&serial))) == 0;
}

/* KeyTransRecipientInfo: version, identifier, … */
static bool add_transport(struct span inside, json_t *list)
{
	struct value version;

	return take_whole(&inside, TAG_INTEGER, &version) && add_identifier(&inside, list);
}

/* KeyAgreeRecipientInfo: version, [0] originator, [1] ukm?, algorithm, SEQUENCE OF { identifier, key } */
static bool add_agreement(struct span inside, json_t *list)
{
	struct value value;

	if (!take_whole(&inside, TAG_INTEGER, &value) ||
	    !take_whole(&inside, TAG_CONTEXT_0, &value) || !take(&inside, &value))
		return false;
	if (value.tag == TAG_CONTEXT_1 && !take(&inside, &value))
		return false;
	if (value.tag != TAG_SEQUENCE || !take_whole(&inside, TAG_SEQUENCE, &value))
		return false;
	for (struct span keys = value.inside; keys.at < keys.end;) {
		if (!take_whole(&keys, TAG_SEQUENCE, &value) ||
		    !add_identifier(&value.inside, list))
			return false;
	}
	return true;
}

static bool read_recipients(struct span span, json_t *list)
{
	struct value value;

	if (!enter_content(&span) || !enter(&span, TAG_CONTEXT_0) || !enter(&span, TAG_SEQUENCE) ||
	    !take_whole(&span, TAG_INTEGER, &value) || !take(&span, &value))
		return false;
	if (value.tag == TAG_CONTEXT_0 && (value.is_open || !take(&span, &value)))
		return false;
	if (value.tag != TAG_SET || value.is_open ||
	    (size_t)(value.inside.end - value.inside.at) != value.len)
		return false;
	for (struct span all = value.inside; all.at < all.end;) {
		bool good = take(&all, &value) && !value.is_open &&
			    (size_t)(value.inside.end - value.inside.at) == value.len;

		if (good && value.tag == TAG_SEQUENCE)
			good = add_transport(value.inside, list);
		else if (good && value.tag == TAG_CONTEXT_1)
			good = add_agreement(value.inside, list);
		if (!good)
			return false;
	}
	return json_array_size(list) > 0;
}

int tl_sealed_recipients(const void *head, size_t len, json_t **ret_recipients, struct tl_err *err)
{
	struct span span = {head, (const uint8_t *)head + len};
	tl_json *list = json_array();

	if (!list)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the recipients");
	if (!tl_sealed_is(head, len))
		return tl_err_set(err, TL_EINVAL, "this is no sealed bundle");
	if (!read_recipients(span, list))
		return tl_err_set(err, TL_EINVAL,
				  "the sealed bundle's list of recipients is damaged");
	*ret_recipients = tl_steal(&list);
	return 0;
}
