namespace Tandem.Training;

/// <summary>One key of a configuration, as data: documentation, validation messages and the JSON schema for editors are made from it.</summary>
/// <param name="Name">The key.</param>
/// <param name="Type">Its JSON type: <c>number</c>, <c>integer</c>, <c>boolean</c>, <c>string</c>, <c>choice</c> (a string out of those in <paramref name="Accepted"/>), <c>array</c> or <c>object</c>.</param>
/// <param name="Default">Its value when it is absent, as JSON; empty for a key that must be there.</param>
/// <param name="Accepted">What is accepted, in words; for a <c>choice</c> the strings, separated by <c>", "</c>.</param>
/// <param name="Description">What it does, in a sentence.</param>
public readonly record struct ConfigKey(string Name, string Type, string Default, string Accepted, string Description);
