#include "fairlead/ipc/frame.h"

#include "fairlead/base/siphash.h"
#include "fairlead/ipc/control.h"
#include "fairlead/wire/name.h"
#include "fairlead/wire/writer.h"

#include <assert.h>
#include <elf.h>
#include <link.h>
#include <string.h>

_Static_assert(sizeof(struct fl_frame_header) == 64, "FRAME_LAYOUT: no hidden padding");

/* Look for the build id note in the first object, which is the program itself. */
static int find_build_id(struct dl_phdr_info *info, size_t size, void *arg)
{
	uint64_t *id = arg;
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type != PT_NOTE) {
			continue;
		}
		const char *at = (const char *)(uintptr_t)(info->dlpi_addr + ph->p_vaddr);
		const char *end = at + ph->p_memsz;
		while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
			ElfW(Nhdr) note;
			memcpy(&note, at, sizeof(note));
			const size_t name = (note.n_namesz + 3U) & ~3U;
			const size_t desc = (note.n_descsz + 3U) & ~3U;
			at += sizeof(note);
			if (name + desc > (size_t)(end - at)) {
				break;
			}
			if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
			    memcmp(at, "GNU", 4) == 0) {
				const struct fl_sipkey key = { { 0x6661, 0x6c64 } };
				*id = fl_siphash13(key, at + name, note.n_descsz) | 1;
				return 1;
			}
			at += name + desc;
		}
	}
	return 1; /* the program has none: do not take a library's */
}

uint64_t fl_frame_build_id(void)
{
	/* Found once and never changed: the only state here, and every caller sees the same. */
	static uint64_t id;
	if (id == 0) {
		dl_iterate_phdr(find_build_id, &id);
		if (id == 0) {
			id = 1; /* linked without a note: all such binaries look alike */
		}
	}
	return id;
}

struct fl_frame fl_frame_init(enum fl_frame_kind kind)
{
	const struct fl_frame f = { .h = { .magic = FL_FRAME_MAGIC,
					   .version = FL_FRAME_VERSION,
					   .kind = (uint16_t)kind,
					   .build_id = fl_frame_build_id(),
					   .ede = FL_EDE_NONE } };
	return f;
}

static bool flags_are_known(const struct fl_frame_header *h)
{
	if (h->kind == FL_FRAME_CONTROL) {
		return h->flags > 0 && h->flags < FL_CONTROL_END;
	}
	return (h->flags & ~(uint32_t)(FL_FRAME_SUSPECT | FL_FRAME_AGAIN)) == 0;
}

size_t fl_frame_len(const struct fl_frame *f)
{
	return sizeof(f->h) + f->h.text_len + f->h.packet_len;
}

enum fl_err fl_frame_first(const uint8_t *octets, size_t len, struct fl_frame *out)
{
	struct fl_frame f = { 0 };
	if (len < sizeof(f.h)) {
		return FL_EMALFORMED;
	}
	memcpy(&f.h, octets, sizeof(f.h));
	if (f.h.magic != FL_FRAME_MAGIC || f.h.version != FL_FRAME_VERSION ||
	    f.h.build_id != fl_frame_build_id()) {
		return FL_EVERSION;
	}
	if (f.h.kind == 0 || f.h.kind >= FL_FRAME_KIND_END || f.h.verdict >= FL_VERDICT_COUNT ||
	    f.h.reason >= FL_REASON_COUNT || f.h.role >= FL_ROLE_COUNT ||
	    !flags_are_known(&f.h) || f.h.packet_len > FL_FRAME_PACKET_MAX ||
	    len < fl_frame_len(&f)) {
		return FL_EMALFORMED;
	}
	f.text = (const char *)octets + sizeof(f.h);
	f.packet = octets + sizeof(f.h) + f.h.text_len;
	*out = f;
	return FL_OK;
}

enum fl_err fl_frame_parse(const uint8_t *octets, size_t len, struct fl_frame *out)
{
	struct fl_frame f;
	const enum fl_err err = fl_frame_first(octets, len, &f);
	if (err != FL_OK) {
		return err;
	}
	if (fl_frame_len(&f) != len) {
		return FL_EMALFORMED;
	}
	*out = f;
	return FL_OK;
}

size_t fl_frame_write_question(uint8_t out[static FL_FRAME_QUESTION_MAX], const uint8_t *name,
			       size_t name_len, uint16_t qtype, uint16_t qclass)
{
	assert(name_len <= FL_NAME_MAX);
	memcpy(out, name, name_len);
	fl_store_u16(out + name_len, qtype);
	fl_store_u16(out + name_len + 2, qclass);
	return name_len + 4;
}

enum fl_err fl_frame_question(const struct fl_frame *f, const uint8_t **name, size_t *name_len,
			      uint16_t *qtype, uint16_t *qclass)
{
	uint8_t plain[FL_NAME_MAX];
	size_t n, next;
	const enum fl_err err = fl_name_expand(f->packet, f->h.packet_len, 0, plain, &n, &next);
	if (err != FL_OK) {
		return err;
	}
	/* uncompressed, and nothing behind type and class */
	if (next != n || f->h.packet_len != n + 4) {
		return FL_EMALFORMED;
	}
	*name = f->packet;
	*name_len = n;
	*qtype = fl_load_u16(f->packet + n);
	*qclass = fl_load_u16(f->packet + n + 2);
	return FL_OK;
}
