/* Frames are checked as if they came from the network. */
#include "fairlead/ipc/frame.h"

#include "fairlead/ipc/control.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

static const uint8_t question[] = { 3, 'w', 'w', 'w', 3, 'n', 'e', 't', 0, 0, 1, 0, 1 };

/* A good QUESTION frame's octets into @p out; returns their number. */
static size_t good(uint8_t *out)
{
	struct fl_frame f = fl_frame_init(FL_FRAME_QUESTION);
	f.h.packet_len = sizeof(question);
	f.h.text_len = 2;
	memcpy(out, &f.h, sizeof(f.h));
	memcpy(out + sizeof(f.h), "hi", 2);
	memcpy(out + sizeof(f.h) + 2, question, sizeof(question));
	return sizeof(f.h) + 2 + sizeof(question);
}

Test(frame, a_good_one_is_viewed_where_it_lies)
{
	uint8_t octets[256];
	const size_t len = good(octets);
	struct fl_frame f;
	cr_assert_eq(fl_frame_parse(octets, len, &f), FL_OK);
	cr_expect_eq(f.h.kind, FL_FRAME_QUESTION);
	cr_expect_eq(memcmp(f.text, "hi", 2), 0);
	cr_expect_eq((const void *)f.packet, (const void *)(octets + sizeof(f.h) + 2));
}

Test(frame, a_cut_at_every_octet_is_refused)
{
	uint8_t octets[256];
	const size_t len = good(octets);
	struct fl_frame f;
	for (size_t i = 0; i < len; i++) {
		cr_expect_neq(fl_frame_parse(octets, i, &f), FL_OK, "%zu octets were taken", i);
	}
	cr_expect_neq(fl_frame_parse(octets, len + 1, &f), FL_OK,
		      "an octet too many was taken");
}

Test(frame, what_follows_a_frame_is_not_part_of_it)
{
	uint8_t octets[512];
	const size_t len = good(octets);
	struct fl_frame f;
	cr_assert_eq(good(octets + len), len);
	cr_expect_eq(fl_frame_parse(octets, 2 * len, &f), FL_EMALFORMED, "it is not alone");
	cr_assert_eq(fl_frame_first(octets, 2 * len, &f), FL_OK);
	cr_expect_eq(fl_frame_len(&f), len);
	cr_expect_eq(f.h.packet_len, sizeof(question));
	for (size_t i = 0; i < len; i++) {
		cr_expect_neq(fl_frame_first(octets, i, &f), FL_OK, "%zu octets were taken", i);
	}
}

struct field_case {
	char why[64];
	size_t at, width;
	uint64_t value;
	enum fl_err want;
};

#define FIELD(name) \
	offsetof(struct fl_frame_header, name), sizeof(((struct fl_frame_header *)0)->name)

ParameterizedTestParameters(frame, field)
{
	static struct field_case cases[] = {
		{ "another magic", FIELD(magic), 0x12345678, FL_EVERSION },
		{ "another version", FIELD(version), FL_FRAME_VERSION + 1, FL_EVERSION },
		{ "another build", FIELD(build_id), 42, FL_EVERSION },
		{ "kind 0", FIELD(kind), 0, FL_EMALFORMED },
		{ "a kind that is not there", FIELD(kind), FL_FRAME_KIND_END, FL_EMALFORMED },
		{ "a verdict out of range", FIELD(verdict), FL_VERDICT_COUNT, FL_EMALFORMED },
		{ "a reason out of range", FIELD(reason), FL_REASON_COUNT, FL_EMALFORMED },
		{ "a role out of range", FIELD(role), FL_ROLE_COUNT, FL_EMALFORMED },
		{ "a flag nobody knows", FIELD(flags), 1U << 9, FL_EMALFORMED },
		{ "a length that lies", FIELD(packet_len), sizeof(question) + 1,
		  FL_EMALFORMED },
		{ "a length near wrapping", FIELD(packet_len), UINT32_MAX, FL_EMALFORMED },
		{ "a text that eats the packet", FIELD(text_len), 200, FL_EMALFORMED },
	};
	return cr_make_param_array(struct field_case, cases, FL_COUNT(cases));
}

ParameterizedTest(struct field_case *c, frame, field)
{
	uint8_t octets[256];
	const size_t len = good(octets);
	struct fl_frame f;
	memcpy(octets + c->at, &c->value,
	       c->width); /* little-endian hosts only, as all we build for */
	cr_expect_eq(fl_frame_parse(octets, len, &f), c->want, "%s", c->why);
}

Test(frame, control_verbs_are_bounded)
{
	struct fl_frame f, out;
	f = fl_frame_init(FL_FRAME_CONTROL);
	for (uint32_t verb = 0; verb < FL_CONTROL_END + 3U; verb++) {
		uint8_t octets[sizeof(f.h)];
		f.h.flags = verb;
		memcpy(octets, &f.h, sizeof(octets));
		const bool known = verb > 0 && verb < FL_CONTROL_END;
		cr_expect_eq(fl_frame_parse(octets, sizeof(octets), &out),
			     known ? FL_OK : FL_EMALFORMED);
	}
}

struct question_case {
	char why[64];
	uint8_t packet[16];
	uint32_t len;
	enum fl_err want;
};

ParameterizedTestParameters(frame, question)
{
	static struct question_case cases[] = {
		{ "a name, type and class", { 1, 'a', 0, 0, 1, 0, 1 }, 7, FL_OK },
		{ "the root", { 0, 0, 2, 0, 1 }, 5, FL_OK },
		{ "nothing", { 0 }, 0, FL_ETRUNCATED },
		{ "no class", { 1, 'a', 0, 0, 1 }, 5, FL_EMALFORMED },
		{ "an octet too many", { 1, 'a', 0, 0, 1, 0, 1, 0 }, 8, FL_EMALFORMED },
		{ "a compressed name", { 1, 'a', 0xC0, 0, 0, 1, 0, 1 }, 8, FL_EMALFORMED },
		{ "a name without end", { 9, 'a' }, 2, FL_ETRUNCATED },
	};
	return cr_make_param_array(struct question_case, cases, FL_COUNT(cases));
}

ParameterizedTest(struct question_case *c, frame, question)
{
	struct fl_frame f = fl_frame_init(FL_FRAME_QUESTION);
	const uint8_t *name;
	size_t len;
	uint16_t qtype, qclass;
	f.packet = c->packet;
	f.h.packet_len = c->len;
	cr_expect_eq(fl_frame_question(&f, &name, &len, &qtype, &qclass), c->want, "%s",
		     c->why);
}

Test(frame, this_binary_has_a_build_id)
{
	cr_expect_neq(fl_frame_build_id(), 1,
		      "linked without --build-id: foreign binaries look alike");
	cr_expect_eq(fl_frame_build_id(), fl_frame_build_id());
}

Test(frame, a_question_written_is_the_question_read)
{
	uint8_t octets[FL_FRAME_QUESTION_MAX];
	struct fl_frame f = fl_frame_init(FL_FRAME_QUESTION);
	const uint8_t *name;
	size_t len;
	uint16_t qtype, qclass;
	f.packet = octets;
	f.h.packet_len = (uint32_t)fl_frame_write_question(octets, question, 9, 28, 1);
	cr_assert_eq(fl_frame_question(&f, &name, &len, &qtype, &qclass), FL_OK);
	cr_expect_eq(len, 9);
	cr_expect_eq(memcmp(name, question, 9), 0);
	cr_expect_eq(qtype, 28);
	cr_expect_eq(qclass, 1);
}
