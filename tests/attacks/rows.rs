//! One test for each guest. A guest that is not listed here does not compile.

use portcullis_tests::sources;

use super::meet::meets;

macro_rules! meets {
    ($($guest:ident),* $(,)?) => { $(
        #[test]
        fn $guest() {
            meets(&sources::$guest);
        }
    )* };
}

macro_rules! has_a_test {
    ($guest:ident) => {
        #[expect(unused_imports, reason = "only to see that there is one")]
        use self::$guest as _;
    };
}

portcullis_tests::foreach_guest!(has_a_test);

// Honest guests: what the hostile ones would be without their attack.
meets! {
    g00_abstain,
    g00_allow,
    g00_deny_by_zero,
    g00_eight_memories,
    g00_every_import,
    g00_utf16,
}

// Row 1: endless loops.
meets! {
    g01_loop,
    g01_loop_by_calls,
    g01_loop_with_little_fuel,
}

// Row 2: slow under fuel, over time.
meets! {
    g02_bulk_fill,
    g02_grow_by_nothing,
    g02_pointer_chase,
}

// Row 3: endless host calls.
meets! {
    g03_data,
    g03_data_unknown,
    g03_log,
    g03_log_all_memory,
    g03_log_bytes,
    g03_request,
    g03_request_many_times_all,
    g03_request_million_pointers,
}

// Row 4: growing until refused.
meets! {
    g04_memory_grow,
    g04_memory_grow_at_once,
    g04_memory_grow_beyond_32_bits,
    g04_own_maximum,
    g04_table_grow,
    g04_table_grow_at_once,
    g04_two_memories,
    g04_up_to_the_limit,
}

// Row 5: too much declared.
meets! {
    g05_maximum_only,
    g05_memories_sum,
    g05_memory_4gib,
    g05_memory_at_the_limit,
    g05_memory_one_page_over,
    g05_one_module_three_times,
    g05_table,
    g05_table_4g,
    g05_table_one_over,
    g05_tables_sum,
}

// Row 6: instances and nesting.
meets! {
    g06_doubling,
    g06_doubling_of_nothing,
    g06_instances,
    g06_nesting,
}

// Row 7: unbounded recursion.
meets! {
    g07_recursion,
    g07_recursion_in_post_return,
    g07_recursion_in_realloc,
    g07_recursion_indirect,
    g07_recursion_with_answers,
    g07_recursion_with_host_calls,
    g07_recursion_with_large_frames,
}

// Row 8: start functions and initializers.
meets! {
    g08_segment_out_of_bounds,
    g08_start_calls_host,
    g08_start_grows,
    g08_start_loops,
    g08_start_of_a_nested_component,
    g08_start_of_another_instance,
    g08_start_recurses,
    g08_start_slow,
    g08_start_traps,
}

// Row 9: hostile allocators.
meets! {
    g09_realloc_calls_host,
    g09_realloc_grows,
    g09_realloc_half_aligned,
    g09_realloc_loops,
    g09_realloc_loops_in_a_host_call,
    g09_realloc_loops_in_configure,
    g09_realloc_null,
    g09_realloc_out_of_bounds,
    g09_realloc_out_of_bounds_in_a_host_call,
    g09_realloc_out_of_bounds_in_configure,
    g09_realloc_over_the_answer,
    g09_realloc_past_the_end,
    g09_realloc_traps,
    g09_realloc_traps_in_configure,
    g09_realloc_unaligned,
    g09_realloc_unaligned_in_a_host_call,
}

// Row 10: malformed results.
meets! {
    g10_answer_place_out_of_bounds_in_a_host_call,
    g10_approval_by_nobody,
    g10_approval_without_roles,
    g10_at_not_a_pointer,
    g10_bad_discriminant_at,
    g10_bad_discriminant_outcome,
    g10_bad_discriminant_outcome_255,
    g10_bad_discriminant_requirement,
    g10_bad_discriminant_result,
    g10_bad_discriminant_verdict,
    g10_bad_utf8,
    g10_bad_utf8_cut,
    g10_bad_utf8_in_a_host_call,
    g10_bad_utf8_overlong,
    g10_bad_utf8_surrogate,
    g10_code_empty,
    g10_code_of_a_fault,
    g10_code_reserved,
    g10_code_two_segments,
    g10_code_with_escapes,
    g10_empty_strings_aliasing,
    g10_error,
    g10_error_bad_utf8,
    g10_error_empty,
    g10_error_too_large,
    g10_high_bits_of_discriminants,
    g10_list_empty_nowhere,
    g10_list_of_2g,
    g10_list_of_4g,
    g10_list_out_of_bounds,
    g10_list_out_of_bounds_in_a_host_call,
    g10_list_size_wraps,
    g10_list_unaligned,
    g10_message_empty,
    g10_message_too_long,
    g10_nested_lists_aliasing,
    g10_no_findings,
    g10_obligation,
    g10_obligation_kind,
    g10_obligation_not_an_object,
    g10_obligation_not_json,
    g10_obligation_with_two_readings,
    g10_obligations_too_many,
    g10_result_at_the_top,
    g10_result_out_of_bounds,
    g10_result_unaligned,
    g10_string_at_the_top,
    g10_string_length_wraps,
    g10_string_of_all_memory,
    g10_string_out_of_bounds,
    g10_string_out_of_bounds_in_a_host_call,
    g10_string_over_the_result_limit,
    g10_too_many_findings,
    g10_wait_until_never,
}

// Row 11: allow, then misbehave in post-return.
meets! {
    g11_post_return_calls_host,
    g11_post_return_grows,
    g11_post_return_honest,
    g11_post_return_loops,
    g11_post_return_of_configure_traps,
    g11_post_return_rewrites,
    g11_post_return_slow,
    g11_post_return_traps,
}

// Row 12: resources.
meets! {
    g12_destructor_loops,
    g12_destructor_traps,
    g12_handle_at_the_top,
    g12_handle_dropped_twice,
    g12_handle_forged,
    g12_handle_forged_drop,
    g12_handle_held_across_configure,
    g12_handle_of_another_type,
    g12_handle_used_after_drop,
    g12_handle_zero,
    g12_handles_leaked,
    g12_handles_leaked_with_much_fuel,
    g12_parent_calls_child,
    g12_resource,
}

// Row 13: log floods and escapes; `words.rs` looks at the text.
meets! {
    g13_error_escapes,
    g13_log_escapes,
    g13_log_flood,
    g13_message_escapes,
}

// Row 14: bombs for the compiler.
meets! {
    g14_aliases,
    g14_blocks,
    g14_br_table,
    g14_component_types,
    g14_constant_expression,
    g14_data_segments,
    g14_element_segments,
    g14_exports,
    g14_file_too_large,
    g14_functions,
    g14_globals,
    g14_huge_function,
    g14_locals,
    g14_locals_4g,
    g14_operands,
    g14_passive_data_segments,
    g14_type_of_types,
    g14_types,
}

// Row 15: beyond the world.
meets! {
    g15_by_digest,
    g15_component,
    g15_core_module,
    g15_core_module_export,
    g15_export,
    g15_export_interface,
    g15_function,
    g15_function_in_types,
    g15_no_evaluate,
    g15_nothing,
    g15_resource_in_types,
    g15_type_export,
    g15_url,
    g15_wasi_clocks,
    g15_wasi_random,
    g15_wasi_sockets,
}

// Row 16: worlds that look alike.
meets! {
    g16_bool_for_u8,
    g16_configure_type,
    g16_error_type,
    g16_field_renamed,
    g16_history_answer,
    g16_history_times,
    g16_history_window,
    g16_log_answers,
    g16_log_type,
    g16_namespace,
    g16_no_error,
    g16_option_for_string,
    g16_outcome_order,
    g16_outcome_renamed,
    g16_package,
    g16_param_renamed,
    g16_u32_for_u64,
    g16_value_case,
    g16_version_0_1_1,
    g16_version_0_2_0,
    g16_version_1_0_0,
    g16_version_none,
    g16_version_prerelease,
}

// Row 17: not a component.
meets! {
    g17_core_module,
    g17_elf,
    g17_empty,
    g17_invalid,
    g17_invalid_beside,
    g17_layer,
    g17_magic,
    g17_native_code,
    g17_section_too_long,
    g17_text,
    g17_trailing,
    g17_truncated,
    g17_twice,
    g17_version,
}

// Row 18: proposals that are off, and one guest that uses all that are on.
meets! {
    g18_component_async_backpressure,
    g18_component_async_context,
    g18_component_async_future,
    g18_component_async_lift,
    g18_component_async_return,
    g18_component_async_stream,
    g18_component_async_subtask,
    g18_component_async_type,
    g18_component_async_waitable,
    g18_component_error_context,
    g18_component_fixed_length_list,
    g18_component_map,
    g18_component_threads,
    g18_custom_page_size,
    g18_exceptions,
    g18_exceptions_exnref,
    g18_exceptions_legacy,
    g18_exceptions_tag,
    g18_function_references,
    g18_function_references_local,
    g18_function_references_table,
    g18_gc_anyref,
    g18_gc_array,
    g18_gc_i31,
    g18_gc_rec,
    g18_gc_struct,
    g18_gc_sub,
    g18_host_references,
    g18_memory64,
    g18_multi_memory,
    g18_relaxed_simd,
    g18_relaxed_simd_madd,
    g18_shared_everything_threads,
    g18_stack_switching,
    g18_table64,
    g18_tail_call,
    g18_tail_call_indirect,
    g18_threads_atomics,
    g18_threads_fence,
    g18_threads_shared_memory,
    g18_threads_wait,
    g18_what_is_on,
    g18_wide_arithmetic,
}

// Row 21: what varies from run to run; `determinism.rs` runs each a thousand times.
meets! {
    g21_counter,
    g21_dirt,
    g21_hash_seed,
    g21_nan_bits,
    g21_nan_bits_32,
    g21_nan_bits_vector,
    g21_uninitialised_memory,
    g21_uninitialised_table,
}

// Row 22: a host function that panics.
meets! {
    g22_host_panic,
}

// `configure` as the attacker.
meets! {
    g25_configure_bad_discriminant,
    g25_configure_calls_data,
    g25_configure_calls_history,
    g25_configure_calls_log,
    g25_configure_calls_request,
    g25_configure_grows,
    g25_configure_loops,
    g25_configure_recurses,
    g25_configure_slow,
    g25_configure_traps,
    g25_inputs_1024,
    g25_inputs_1025,
    g25_inputs_bad_escape,
    g25_inputs_bad_utf8,
    g25_inputs_escapes,
    g25_inputs_million,
    g25_inputs_not_a_pointer,
    g25_inputs_out_of_bounds,
    g25_inputs_too_long,
    g25_problems,
    g25_problems_aliasing,
    g25_problems_none,
}

// What a snapshot could get wrong.
meets! {
    g26_dropped_segment,
    g26_every_kind_of_global,
    g26_little_fuel_left,
    g26_memory_at_its_maximum,
    g26_memory_at_the_limit,
    g26_memory_full,
    g26_module_twice,
    g26_nested_component,
    g26_slow_configure_each_time,
    g26_start_twice,
    g26_table_set,
    g26_vector_global,
    g26_wasi_names,
}

// What a policy says about itself.
meets! {
    g27_description,
    g27_description_data,
    g27_description_duplicate_key,
    g27_description_escapes,
    g27_description_inputs,
    g27_description_not_json,
    g27_description_too_large,
    g27_description_twice,
}

// Row 28: the ledger's history; `history.rs` looks at what was recorded.
meets! {
    g28_history,
    g28_history_announced_only,
    g28_history_as_often_as_may_be,
    g28_history_bad_option,
    g28_history_bad_outcome,
    g28_history_bad_utf8,
    g28_history_each_time,
    g28_history_empty,
    g28_history_flood,
    g28_history_million_outcomes,
    g28_history_not_given,
    g28_history_once_too_often,
    g28_history_place_out_of_bounds,
    g28_history_place_unaligned,
    g28_history_realloc_out_of_bounds,
    g28_history_seven_outcomes,
    g28_history_text_longest,
    g28_history_text_out_of_bounds,
    g28_history_text_too_long,
    g28_history_unannounced,
    g28_history_undescribed,
    g28_history_window_longest,
    g28_history_window_of_all_time,
    g28_history_window_of_nothing,
    g28_history_window_too_long,
}
