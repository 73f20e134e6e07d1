#include "ssh/krl.h"

#include <openssl/evp.h>
#include <string.h>
#include <towline/crypto.h>

#define FORMAT_VERSION 1
#define SHA1_LEN 20

static const char magic[8] = "SSHKRL\n";

enum section { CERTIFICATES = 1, KEYS, SHA1, SIGNATURE, SHA256, EXTENSION = 255 };
enum subsection { SERIALS = 0x20, RANGE, BITMAP, KEY_IDS, SUB_EXTENSION = 0x39 };

struct search {
	const struct tl_krl_query *query;
	uint8_t key_sha1[SHA1_LEN], key_sha256[TL_SHA256_LEN];
	uint8_t authority_sha1[SHA1_LEN], authority_sha256[TL_SHA256_LEN];
	bool found;
};

static struct tl_ssh_reader reader_of(struct tl_ssh_string string)
{
	return (struct tl_ssh_reader){.at = string.bytes, .left = string.len};
}

static bool is_same(struct tl_ssh_string a, struct tl_ssh_string b)
{
	return a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
}

/* An unknown extension may be skipped unless it is marked critical. False: it may not. */
static bool skip_extension(struct tl_ssh_string data)
{
	struct tl_ssh_reader reader = reader_of(data);

	(void)tl_ssh_read_string(&reader); /* name */
	return tl_ssh_read_u8(&reader) == 0 && !reader.bad;
}

/* ---- certificates ------------------------------------------------------------------------------- */

static bool read_serials(struct tl_ssh_reader *reader, struct search *search)
{
	while (reader->left > 0 && !reader->bad)
		search->found |= tl_ssh_read_u64(reader) == search->query->serial;
	return !reader->bad;
}

static bool read_range(struct tl_ssh_reader *reader, struct search *search)
{
	uint64_t first = tl_ssh_read_u64(reader), last = tl_ssh_read_u64(reader);

	search->found |= search->query->serial >= first && search->query->serial <= last;
	return !reader->bad && first <= last;
}

/* Bit n of the number, which stands big-endian, is the serial offset + n. */
static bool read_bitmap(struct tl_ssh_reader *reader, struct search *search)
{
	uint64_t offset = tl_ssh_read_u64(reader), bit = search->query->serial - offset;
	struct tl_ssh_string map = tl_ssh_read_string(reader);

	if (search->query->serial >= offset && bit / 8 < map.len)
		search->found |= map.bytes[map.len - 1 - bit / 8] >> bit % 8 & 1;
	return !reader->bad && (map.len == 0 || !(map.bytes[0] & 0x80)); /* no negative number */
}

static bool read_key_ids(struct tl_ssh_reader *reader, struct search *search)
{
	while (reader->left > 0 && !reader->bad)
		search->found |=
			tl_ssh_string_is(tl_ssh_read_string(reader), search->query->key_id);
	return !reader->bad;
}

/* One part of what an authority takes back; `mine`: the certificate is of it. */
static bool read_part(uint8_t type, struct tl_ssh_string data, bool mine, struct search *search)
{
	struct tl_ssh_reader reader = reader_of(data);
	struct search other = *search, *target = mine ? search : &other;
	bool found = search->found, known;

	switch (type) {
	case SERIALS:
		known = read_serials(&reader, target);
		break;
	case RANGE:
		known = read_range(&reader, target);
		break;
	case BITMAP:
		known = read_bitmap(&reader, target);
		break;
	case KEY_IDS:
		return read_key_ids(&reader, target);
	case SUB_EXTENSION:
		return skip_extension(data);
	default:
		return false;
	}
	/* Serial 0 is none: what a list says of it is about no certificate in particular. */
	if (search->query->serial == 0)
		search->found = found;
	return known && reader.left == 0;
}

static bool read_certificates(struct tl_ssh_string data, struct search *search)
{
	struct tl_ssh_reader reader = reader_of(data);
	struct tl_ssh_string authority = tl_ssh_read_string(&reader);
	bool is_certificate = search->query->authority.len > 0;
	bool mine = is_certificate &&
		    (authority.len == 0 || is_same(authority, search->query->authority));

	(void)tl_ssh_read_string(&reader); /* reserved */
	while (reader.left > 0 && !reader.bad) {
		uint8_t type = tl_ssh_read_u8(&reader);
		struct tl_ssh_string part = tl_ssh_read_string(&reader);

		if (reader.bad || !read_part(type, part, mine, search))
			return false;
	}
	return !reader.bad;
}

/* ---- keys ---------------------------------------------------------------------------------------- */

/* A list of blobs, or of hashes of one length: the key's own and its authority's are looked for. */
static bool read_keys(struct tl_ssh_string data, struct tl_ssh_string key,
		      struct tl_ssh_string authority, size_t hash_len, struct search *search)
{
	struct tl_ssh_reader reader = reader_of(data);
	bool is_certificate = search->query->authority.len > 0;

	while (reader.left > 0 && !reader.bad) {
		struct tl_ssh_string listed = tl_ssh_read_string(&reader);

		if (listed.len == 0 || (hash_len && listed.len != hash_len))
			return false;
		search->found |=
			is_same(listed, key) || (is_certificate && is_same(listed, authority));
	}
	return !reader.bad;
}

static bool read_section(uint8_t type, struct tl_ssh_string data, struct search *search)
{
	const struct tl_krl_query *query = search->query;

	switch (type) {
	case CERTIFICATES:
		return read_certificates(data, search);
	case KEYS:
		return read_keys(data, query->key, query->authority, 0, search);
	case SHA1:
		return read_keys(data, (struct tl_ssh_string){search->key_sha1, SHA1_LEN},
				 (struct tl_ssh_string){search->authority_sha1, SHA1_LEN}, SHA1_LEN,
				 search);
	case SHA256:
		return read_keys(data, (struct tl_ssh_string){search->key_sha256, TL_SHA256_LEN},
				 (struct tl_ssh_string){search->authority_sha256, TL_SHA256_LEN},
				 TL_SHA256_LEN, search);
	case SIGNATURE:
		return true;
	case EXTENSION:
		return skip_extension(data);
	default:
		return false;
	}
}

/* ---- the list ------------------------------------------------------------------------------------ */

bool tl_krl_is(const void *bytes, size_t len)
{
	return len >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

static bool hash_all(struct search *search)
{
	const struct tl_krl_query *query = search->query;

	tl_sha256_of(query->key.bytes, query->key.len, search->key_sha256);
	tl_sha256_of(query->authority.bytes, query->authority.len, search->authority_sha256);
	return EVP_Digest(query->key.bytes, query->key.len, search->key_sha1, NULL, EVP_sha1(),
			  NULL) == 1 &&
	       EVP_Digest(query->authority.bytes, query->authority.len, search->authority_sha1,
			  NULL, EVP_sha1(), NULL) == 1;
}

static bool read_list(struct tl_ssh_reader *reader, struct search *search)
{
	if (tl_ssh_read_u32(reader) != FORMAT_VERSION)
		return false;
	(void)tl_ssh_read_u64(reader);	  /* the list's own version */
	(void)tl_ssh_read_u64(reader);	  /* when it was made */
	(void)tl_ssh_read_u64(reader);	  /* flags: none are known, none are critical */
	(void)tl_ssh_read_string(reader); /* reserved */
	(void)tl_ssh_read_string(reader); /* comment */
	while (reader->left > 0 && !reader->bad) {
		uint8_t type = tl_ssh_read_u8(reader);
		struct tl_ssh_string data = tl_ssh_read_string(reader);

		/* A signature's section is the key; the signature itself follows. */
		if (type == SIGNATURE)
			(void)tl_ssh_read_string(reader);
		if (reader->bad || !read_section(type, data, search))
			return false;
	}
	return !reader->bad;
}

int tl_krl_check(const void *bytes, size_t len, const struct tl_krl_query *query,
		 struct tl_err *err)
{
	struct search search = {.query = query};
	struct tl_ssh_reader reader = {.at = bytes, .left = len};

	if (!tl_krl_is(bytes, len) || !hash_all(&search))
		return tl_err_set(err, TL_EAUTH, "this is no key revocation list");
	(void)tl_ssh_read_u64(&reader); /* the magic */
	if (!read_list(&reader, &search))
		return tl_err_set(err, TL_EAUTH,
				  "the key revocation list is not understood: no key is accepted");
	return search.found ? tl_err_set(err, TL_EAUTH, "the key revocation list names it") : 0;
}
