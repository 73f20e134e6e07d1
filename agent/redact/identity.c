#include "redact/identity.h"

#include <strings.h>

#include "redact/identity_key.h"
#include "redact/identity_map.h"
#include "redact/identity_private.h"

const char *tl_identity_class_name(enum tl_identity_class class)
{
	static const char *const names[TL_IDENTITY_CLASSES] = {
		[TL_IDENTITY_IPV4] = "ipv4", [TL_IDENTITY_IPV6] = "ipv6",
		[TL_IDENTITY_MAC] = "mac",   [TL_IDENTITY_HOST] = "host",
		[TL_IDENTITY_USER] = "user", [TL_IDENTITY_EMAIL] = "email",
		[TL_IDENTITY_SITE] = "site",
	};

	return names[class];
}

int tl_identities_new(const uint8_t key[static TL_IDENTITY_KEY_LEN],
		      const struct tl_identity_names *names, struct tl_identities **ret_identities,
		      struct tl_err *err)
{
	tl_auto(tl_identities) struct tl_identities *identities = calloc(1, sizeof *identities);

	if (!identities)
		return tl_err_set(err, TL_ENOMEM, "out of memory for pseudonyms");
	identities->map_fd = -1;
	identities->pending = (struct tl_buf)TL_BUF_SECRET_INIT(PENDING_MAX);
	identities->cache = calloc(CACHE_SLOTS, sizeof *identities->cache);
	if (identity_prf_init(&identities->prf, key, TL_IDENTITY_KEY_LEN) < 0 ||
	    !identities->cache || identity_index_build(&identities->index, names) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory for pseudonyms");
	*ret_identities = tl_steal(&identities);
	return 0;
}

int tl_identities_open(const struct tl_identity_places *places,
		       struct tl_identities **ret_identities, struct tl_err *err)
{
	tl_auto(tl_identities) struct tl_identities *identities = NULL;
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};
	uint8_t key[TL_IDENTITY_KEY_LEN];
	int r = tl_identity_names_of_host(places->root, &names, err);

	if (r == 0 && places->site_file)
		r = tl_identity_names_of_site(places->site_file, &names, err);
	if (r == 0)
		r = tl_identity_key_load(places->state_dir, key, err);
	if (r == 0)
		r = tl_identities_new(key, &names, &identities, err);
	tl_wipe(key, sizeof key);
	if (r == 0 && places->map_fd > 0)
		identities->map_fd = places->map_fd;
	else if (r == 0)
		r = tl_identity_map_open(places->state_dir, &identities->map_fd, err);
	if (r < 0)
		return r;
	*ret_identities = tl_steal(&identities);
	return 0;
}

int tl_identities_fd(const struct tl_identities *identities)
{
	return identities->map_fd;
}

void tl_identities_free(struct tl_identities *identities)
{
	if (!identities)
		return;
	identity_prf_clear(&identities->prf);
	identity_index_clear(&identities->index);
	if (identities->cache)
		tl_wipe(identities->cache, CACHE_SLOTS * sizeof *identities->cache);
	free(identities->cache);
	free(identities->spans.items);
	tl_buf_clear(&identities->pending);
	if (identities->map_fd >= 0)
		close(identities->map_fd);
	free(identities);
}

int tl_identities_find(struct tl_identities *identities, const char *text, size_t len,
		       tl_identity_found *found, void *arg)
{
	int r = identity_scan(identities, text, len);

	for (size_t i = 0; r == 0 && i < identities->spans.count; i++) {
		const struct identity_span *span = &identities->spans.items[i];

		r = found(arg, span->class, span->start, span->end);
	}
	return r;
}

static const struct address_kind {
	bool (*read)(const char *text, size_t len, struct identity_address *ret_address);
	void (*write)(const struct identity_address *address, struct tl_buf *out);
} address_kinds[] = {
	[TL_IDENTITY_IPV4] = {identity_v4_read, identity_v4_write},
	[TL_IDENTITY_IPV6] = {identity_v6_read, identity_v6_write},
	[TL_IDENTITY_MAC] = {identity_mac_read, identity_mac_write},
};

/* As the map has it: without prefix length, in the usual form. */
static void write_plain(const struct address_kind *kind, const struct identity_address *address,
			struct tl_buf *out)
{
	struct identity_address plain = *address;

	plain.form = IDENTITY_PLAIN;
	plain.bits = IDENTITY_WHOLE;
	plain.upper = false;
	kind->write(&plain, out);
}

void identity_put_address(struct tl_identities *identities, enum tl_identity_class class,
			  const char *text, size_t len, struct tl_buf *out)
{
	const struct address_kind *kind = &address_kinds[class];
	tl_auto(tl_buf) struct tl_buf original = TL_BUF_INIT(64);
	tl_auto(tl_buf) struct tl_buf pseudonym = TL_BUF_INIT(64);
	struct identity_address address, mapped;

	if (!kind->read(text, len, &address)) {
		tl_buf_printf(out, "[redacted:%s]", tl_identity_class_name(class));
		return;
	}
	mapped = address;
	if (class == TL_IDENTITY_IPV4)
		identity_v4_map(&identities->prf, address.bytes, address.bits, mapped.bytes);
	else if (class == TL_IDENTITY_IPV6)
		identity_v6_map(&identities->prf, address.bytes, address.bits, mapped.bytes);
	else
		identity_mac_map(&identities->prf, address.bytes, address.len, mapped.bytes);
	kind->write(&mapped, out);
	write_plain(kind, &address, &original);
	write_plain(kind, &mapped, &pseudonym);
	identity_remember(identities, class, tl_buf_str(&pseudonym), tl_buf_str(&original));
}

static void put_pseudonym(struct tl_identities *identities, enum tl_identity_class class,
			  const char *text, size_t len, struct tl_buf *out)
{
	switch (class) {
	case TL_IDENTITY_HOST:
		identity_put_host(identities, text, len, out);
		return;
	case TL_IDENTITY_USER:
		identity_put_user(identities, text, len, out);
		return;
	case TL_IDENTITY_EMAIL:
		identity_put_mail(identities, text, len, out);
		return;
	case TL_IDENTITY_SITE:
		identity_put_keyword(identities, text, len, out);
		return;
	default:
		identity_put_address(identities, class, text, len, out);
	}
}

static struct cache_slot *slot_of(struct tl_identities *identities, enum tl_identity_class class,
				  const char *text, size_t len)
{
	uint32_t hash = 2166136261u + class; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return &identities->cache[(hash ^ hash >> 16) % CACHE_SLOTS];
}

/* From the cache, or made and put into it. `len` is at most CACHE_TEXT_MAX. */
static void put_cached(struct tl_identities *identities, enum tl_identity_class class,
		       const char *text, size_t len, struct tl_buf *out)
{
	struct cache_slot *slot = slot_of(identities, class, text, len);
	size_t begin = out->len, made;

	if (slot->text_len == len && slot->class == class && memcmp(slot->text, text, len) == 0) {
		tl_buf_append(out, slot->pseudonym, slot->pseudonym_len);
		return;
	}
	put_pseudonym(identities, class, text, len, out);
	made = out->len - begin;
	if (out->failed || made > CACHE_PSEUDONYM_MAX)
		return;
	slot->class = (uint8_t) class;
	slot->text_len = (uint8_t)len;
	slot->pseudonym_len = (uint8_t)made;
	memcpy(slot->text, text, len);
	memcpy(slot->pseudonym, out->data + begin, made);
}

int tl_identities_replace(struct tl_identities *identities, enum tl_identity_class class,
			  const char *text, size_t len, struct tl_buf *out)
{
	size_t blanks = 0, begin = out->len;

	while (blanks < len && text[len - blanks - 1] == ' ')
		blanks++;
	if (len - blanks <= CACHE_TEXT_MAX)
		put_cached(identities, class, text, len - blanks, out);
	else
		put_pseudonym(identities, class, text, len - blanks, out);
	if (blanks > 0)
		tl_buf_putc(out, ' ');
	while (blanks > 0 && !out->failed && out->len - begin < len)
		tl_buf_putc(out, ' ');
	return tl_buf_check(out);
}

int tl_identities_text(struct tl_identities *identities, const char *text, size_t len,
		       struct tl_buf *out)
{
	size_t from = 0;
	int r = identity_scan(identities, text, len);

	for (size_t i = 0; r == 0 && i < identities->spans.count; i++) {
		const struct identity_span *span = &identities->spans.items[i];

		tl_buf_append(out, text + from, span->start - from);
		r = tl_identities_replace(identities, span->class, text + span->start,
					  span->end - span->start, out);
		from = span->end;
	}
	tl_buf_append(out, text + from, len - from);
	return r < 0 ? r : tl_buf_check(out);
}

void identity_remember(struct tl_identities *identities, enum tl_identity_class class,
		       const char *pseudonym, const char *original)
{
	size_t before = identities->pending.len;

	if (identities->map_fd < 0 || tl_streq(pseudonym, original))
		return;
	tl_identity_map_line(&identities->pending, tl_identity_class_name(class), pseudonym,
			     original);
	if (identities->pending.len < PENDING_MAX / 2 && !identities->pending.failed)
		return;
	/* A pair that cannot be kept is a pseudonym that nobody resolves: no reason to stop. */
	if (identities->pending.failed)
		identities->pending.len = before;
	if (tl_identity_map_append(identities->map_fd, &identities->pending, NULL) < 0)
		tl_buf_reset(&identities->pending);
}

int tl_identities_save(struct tl_identities *identities, struct tl_err *err)
{
	int r;

	if (identities->map_fd < 0 || identities->pending.len == 0)
		return 0;
	r = tl_identity_map_append(identities->map_fd, &identities->pending, err);
	if (r == 0 && fdatasync(identities->map_fd) < 0)
		r = tl_err_set(err, TL_EIO, "the map of pseudonyms cannot be written");
	return r;
}
