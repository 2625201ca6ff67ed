namespace Tandem.Models;

/// <summary>A chat template of a known format, for models that come without one.</summary>
/// <param name="Name">What it is chosen by.</param>
/// <param name="Source">The template.</param>
/// <param name="Stop">Texts that end an answer, where the format has no control token for it.</param>
public sealed record BuiltInTemplate(string Name, string Source, params IReadOnlyList<string> Stop);

/// <summary>The templates that come with Tandem. None is ever chosen for a model: users say which.</summary>
public static class BuiltInTemplates
{
    // What a format without a role for it does with a system message: it stands before the first question.
    private const string SystemFirst = """
        {%- if messages[0].role == 'system' -%}
        {%- set system = messages[0].content | trim + '\n\n' -%}
        {%- set turns = messages[1:] -%}
        {%- else -%}
        {%- set system = '' -%}
        {%- set turns = messages -%}
        {%- endif -%}
        {%- for message in turns -%}
        {%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}
        {{- raise_exception('wanted questions and answers in turn, the first by the user') -}}
        {%- endif -%}
        {%- endfor -%}

        """;

    /// <summary>All of them, by name.</summary>
    public static IReadOnlyDictionary<string, BuiltInTemplate> All { get; } = new BuiltInTemplate[]
    {
        new("chatml", """
            {%- for message in messages -%}
            {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
            {%- endfor -%}
            {%- if add_generation_prompt -%}
            {{- '<|im_start|>assistant\n' -}}
            {%- endif -%}
            """),
        new("llama-2", """
            {%- if messages[0].role == 'system' -%}
            {%- set system = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' -%}
            {%- set turns = messages[1:] -%}
            {%- else -%}
            {%- set system = '' -%}
            {%- set turns = messages -%}
            {%- endif -%}
            {%- for message in turns -%}
            {%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}
            {{- raise_exception('wanted questions and answers in turn, the first by the user') -}}
            {%- endif -%}
            {%- if message.role == 'user' -%}
            {{- bos_token ~ '[INST] ' + (system if loop.first else '') + message.content | trim + ' [/INST]' -}}
            {%- else -%}
            {{- ' ' + message.content | trim + ' ' ~ eos_token -}}
            {%- endif -%}
            {%- endfor -%}
            """),
        new("llama-3", """
            {{- bos_token -}}
            {%- for message in messages -%}
            {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' -}}
            {%- endfor -%}
            {%- if add_generation_prompt -%}
            {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
            {%- endif -%}
            """),
        new("mistral", SystemFirst + """
            {{- bos_token -}}
            {%- for message in turns -%}
            {%- if message.role == 'user' -%}
            {{- '[INST] ' + (system if loop.first else '') + message.content + ' [/INST]' -}}
            {%- else -%}
            {{- ' ' + message.content | trim ~ eos_token -}}
            {%- endif -%}
            {%- endfor -%}
            """),
        new("gemma", SystemFirst + """
            {{- bos_token -}}
            {%- for message in turns -%}
            {{- '<start_of_turn>' + ('model' if message.role == 'assistant' else 'user') + '\n' + (system if loop.first else '') + message.content | trim + '<end_of_turn>\n' -}}
            {%- endfor -%}
            {%- if add_generation_prompt -%}
            {{- '<start_of_turn>model\n' -}}
            {%- endif -%}
            """),
        new("zephyr", """
            {%- for message in messages -%}
            {{- '<|' + message.role + '|>\n' + message.content ~ eos_token ~ '\n' -}}
            {%- endfor -%}
            {%- if add_generation_prompt -%}
            {{- '<|assistant|>\n' -}}
            {%- endif -%}
            """),
        new("vicuna", """
            {%- for message in messages -%}
            {%- if message.role == 'system' -%}
            {{- message.content | trim + ' ' -}}
            {%- elif message.role == 'user' -%}
            {{- 'USER: ' + message.content | trim + ' ' -}}
            {%- else -%}
            {{- 'ASSISTANT: ' + message.content | trim ~ eos_token -}}
            {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}
            {{- 'ASSISTANT:' -}}
            {%- endif -%}
            """, "USER:"),
        new("alpaca", """
            {%- for message in messages -%}
            {%- if message.role == 'system' -%}
            {{- message.content | trim + '\n\n' -}}
            {%- elif message.role == 'user' -%}
            {{- '### Instruction:\n' + message.content | trim + '\n\n' -}}
            {%- else -%}
            {{- '### Response:\n' + message.content | trim + '\n\n' -}}
            {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}
            {{- '### Response:\n' -}}
            {%- endif -%}
            """, "### Instruction:"),
        new("plain", """
            {%- for message in messages -%}
            {%- if message.role == 'system' -%}
            {{- message.content + '\n\n' -}}
            {%- elif message.role == 'user' -%}
            {{- 'User: ' + message.content + '\n' -}}
            {%- else -%}
            {{- 'Assistant: ' + message.content + '\n' -}}
            {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}
            {{- 'Assistant:' -}}
            {%- endif -%}
            """, "\nUser:"),
    }.ToDictionary(t => t.Name, StringComparer.Ordinal);
}
