import type { Command } from 'commander';
import { CliError, print } from './output.ts';

/** Scripts made from the verbs themselves, so that they are never out of date. */
export function completionVerb(program: Command): void {
  program
    .command('completion')
    .description('print a completion script: eval "$(busbar completion bash)"')
    .argument('<shell>', 'bash, zsh or fish')
    .action((shell: string) => {
      const verbs = program.commands.map((verb) => ({
        name: verb.name(),
        about: verb.description(),
        options: [verb, ...verb.commands].flatMap((one) =>
          one.options.map((option) => ({ long: option.long ?? '', about: option.description })),
        ),
        inner: verb.commands.map((one) => one.name()),
      }));
      const names = verbs.map((verb) => verb.name).join(' ');
      if (shell === 'bash' || shell === 'zsh') {
        const cases = verbs
          .map(
            (verb) =>
              `    ${verb.name}) words="${[...verb.inner, ...new Set(verb.options.map((o) => o.long))].join(' ')}" ;;`,
          )
          .join('\n');
        if (shell === 'zsh') print('autoload -U +X bashcompinit && bashcompinit');
        print(
          `_busbar() {\n  local words\n  case "\${COMP_WORDS[1]}" in\n${cases}\n    *) words="${names}" ;;\n  esac\n` +
            `  if [ "$COMP_CWORD" -eq 1 ]; then words="${names}"; fi\n` +
            `  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))\n}\ncomplete -o default -F _busbar busbar`,
        );
      } else if (shell === 'fish') {
        for (const verb of verbs) {
          print(
            `complete -c busbar -n __fish_use_subcommand -f -a ${verb.name} -d '${verb.about.replaceAll("'", '')}'`,
          );
          for (const name of verb.inner)
            print(`complete -c busbar -n '__fish_seen_subcommand_from ${verb.name}' -f -a ${name}`);
          for (const option of verb.options) {
            print(
              `complete -c busbar -n '__fish_seen_subcommand_from ${verb.name}' -l ${option.long.slice(2)} -d '${option.about.replaceAll("'", '')}'`,
            );
          }
        }
      } else throw new CliError(`no completion for "${shell}"`, 'bash, zsh and fish are known');
    });
}
